"""The hosts of an office: how we get in, who they are, what they say; the only importer of paramiko."""
