#!/usr/bin/python3
"""The websites of this machine: what each needs to be served, and its certificate. Set by the office's pack.

office-website prepare              accounts, folders, logs, and a self-signed certificate where there is no better; `made …`
office-website certificate [OFFICE] ask the authority for what is missing or ends soon; one JSON line a site
office-website in-use               called by certbot once a certificate is there: nginx reads it, if it accepts it
"""

import contextlib
import grp
import json
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

CONFIG = "/etc/office-website/sites.json"
SERVED, LOGS, LINKS, KEPT = "/srv/website", "/var/log/website", "/etc/nginx/website", "/var/lib/office-website"
WEBROOT = KEPT + "/acme"
LIVE = "/etc/letsencrypt/live"
RENEWED = timedelta(days=30)  # before its end, as certbot does itself


def call(*words, **more):
    """A program's end and what it said."""
    return subprocess.run(words, capture_output=True, text=True, check=False, **more)


def folder(path, user="root", group="root", mode=0o755):
    """A folder with its owner; whether it was made."""
    new = not os.path.isdir(path)
    os.makedirs(path, exist_ok=True)
    os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
    os.chmod(path, mode)
    return new


def link(path, target):
    """A symbolic link, put there in one step; whether it was another."""
    if os.path.islink(path) and os.readlink(path) == target:
        return False
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + ".new")
    os.symlink(target, path + ".new")
    os.rename(path + ".new", path)
    return True


def end_of(path, domain):
    """When a certificate for this name ends; None when there is none."""
    done = call("openssl", "x509", "-in", path, "-noout", "-enddate", "-ext", "subjectAltName")
    ends = re.search(r"notAfter=(.+)", done.stdout)
    if done.returncode or not ends or domain not in re.findall(r"DNS:([^,\s]+)", done.stdout):
        return None
    return datetime.strptime(ends[1].strip(), "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)


def prepare(site):
    """What a site needs before its first release; what was made."""
    office, user = site["office"], site["user"]
    made = []
    try:
        pwd.getpwnam(user)
    except KeyError:
        words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", f"{SERVED}/{office}"]
        subprocess.run([*words, "--shell", "/usr/sbin/nologin", user], check=True)
        made.append(user)
    for path in (SERVED, LOGS, LINKS, KEPT):
        folder(path)
    folder(WEBROOT)
    if folder(f"{SERVED}/{office}", user, "www-data", 0o750) | folder(f"{LOGS}/{office}", "www-data", "adm", 0o750):
        made.append(f"{SERVED}/{office}")
    own = f"{KEPT}/self-signed/{office}"
    if end_of(f"{own}/fullchain.pem", site["domain"]) is None:
        folder(own, mode=0o700)
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        words += ["-days", "3650"]
        words += ["-subj", "/", "-addext", f"subjectAltName=DNS:{site['domain']}"]
        subprocess.run([*words, "-keyout", f"{own}/privkey.pem", "-out", f"{own}/fullchain.pem"], check=True, capture_output=True)
        made.append(own)
    return made + ([f"{LINKS}/{office}"] if choose(site) else [])


def choose(site):
    """Let nginx read the authority's certificate where it is for this name, else our own; whether that is another."""
    live = f"{LIVE}/website-{site['office']}"
    good = end_of(f"{live}/fullchain.pem", site["domain"]) is not None
    return link(f"{LINKS}/{site['office']}", live if good else f"{KEPT}/self-signed/{site['office']}")


def in_use(sites):
    """Have nginx read the certificates, unless it would refuse them: then it goes on with those it has."""
    for site in sites:
        choose(site)
    checked = call("nginx", "-q", "-t")
    if checked.returncode:
        sys.exit(checked.stderr.strip())
    subprocess.run(["systemctl", "reload", "nginx.service"], check=True)


def away(domain):
    """Why the authority would not find this machine by the name; empty when it would, or nobody can tell from here."""
    token = secrets.token_urlsafe(24)
    place = f"{WEBROOT}/.well-known/acme-challenge"
    os.makedirs(place, exist_ok=True)
    try:
        with open(f"{place}/{token}", "w", encoding="ascii") as file:
            file.write(token)
        try:
            address = socket.getaddrinfo(domain, 80, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
        except OSError:
            return f"the name {domain} is not in the DNS: an address record has to lead to this office's line"
        try:
            with urllib.request.urlopen(f"http://{domain}/.well-known/acme-challenge/{token}", timeout=10) as answer:
                if answer.read(200).decode("ascii", "replace") == token:
                    return ""
        except urllib.error.HTTPError:
            pass
        except (OSError, ValueError):
            return ""  # many a router lets nobody in from behind it by the outer address: the authority will know
        return f"the name {domain} leads to {address}, where another machine answers"
    finally:
        os.unlink(f"{place}/{token}")


def why(said):
    """What certbot said, in one sentence."""
    detail = re.search(r"Detail: (.+)", said) or re.search(r"urn:ietf:params:acme:error:\w+ :: (.+)", said)
    detail = detail or re.search(r"unexpected error occurred:\n(?!.*(?:Connection|Max retries|timed out))(.+)", said)
    if not detail and re.search(r"ConnectionError|refused|Max retries|NameResolution|timed out|ConnectTimeout|SSLError", said):
        return "the certificate authority does not answer"
    told = detail[1] if detail else (said.strip().splitlines() or ["no word"])[-1]
    return f"the certificate authority refuses: {told.strip()[:300]}"


def certificate(site, acme):
    """A certificate from the authority where there is none or it ends soon; what is so now."""
    domain, name = site["domain"], f"website-{site['office']}"
    now, path = datetime.now(UTC), f"{LIVE}/{name}/fullchain.pem"
    ends = before = end_of(path, domain)
    problem = ""
    if ends is None or ends - now < RENEWED:
        problem = away(domain)
        if not problem:
            words = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--register-unsafely-without-email", "--webroot"]
            words += ["--webroot-path", WEBROOT, "--cert-name", name, "--domain", domain]
            words += ["--deploy-hook", "/usr/local/sbin/office-website in-use", *(["--server", acme] if acme else [])]
            done = call(*words, timeout=300)
            if done.returncode and re.search("Account .* not found|accountDoesNotExist", done.stdout + done.stderr):
                # the authority knows us no more (RFC 8555 7.3.1): we come as somebody new
                shutil.rmtree("/etc/letsencrypt/accounts", ignore_errors=True)
                done = call(*words, timeout=300)
            problem = why(done.stdout + done.stderr) if done.returncode else ""
        ends = end_of(path, domain)
    own = os.readlink(f"{LINKS}/{site['office']}").startswith(KEPT)
    return {
        "office": site["office"],
        "domain": domain,
        "self_signed": own,
        "renewed": ends != before,  # certbot judges by itself what is soon, and does nothing in peace
        "ends": ends.isoformat() if ends else "",
        "problem": problem,
    }


def main():
    """One verb."""
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    verb, wanted = sys.argv[1], sys.argv[2:]
    sites = [site for site in config["sites"] if not wanted or site["office"] in wanted]
    if verb == "prepare":
        made = [one for site in sites for one in prepare(site)]
        print("made " + " ".join(made) if made else "")
    elif verb == "in-use":
        in_use(sites)
    elif verb == "certificate":
        for site in sites:
            print(json.dumps(certificate(site, config["acme"])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
