"""The secrets of offices: vaults, the passphrase and where it is kept for one sitting, certificates."""
