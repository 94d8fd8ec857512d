# sources: where this machine's packages come from, a line each: `own|file|address|suite`, or `foreign|…` when it is not Debian's.
# Debian's own are told by the origin that their lists name; never fetched, by their address and the key they must be signed with.
# A disc is foreign too: nobody puts it in. This text stands before that of a script which needs it.
# shellcheck shell=sh disable=SC2016 # apt's own variables
sources() {
  fetched=$(apt-get indextargets --format '$(REPO_URI)|$(RELEASE)|$(ORIGIN)' 2>/dev/null | sort -u)
  apt-get indextargets --no-release-info --format '$(SOURCESENTRY)|$(REPO_URI)|$(RELEASE)' 2>/dev/null | sort -u |
    while IFS='|' read -r entry uri suite; do
      file=${entry%:*} number=${entry##*:} whose=foreign
      origin=$(printf '%s\n' "$fetched" | FOR="$uri|$suite|" awk 'index($0, ENVIRON["FOR"]) == 1 { print substr($0, length(ENVIRON["FOR"]) + 1); exit }')
      case $file in
        *.sources) words=$(grep -v '^#' "$file" | awk -v RS= -v number="$number" 'NR == number') ;;
        *) words=$(sed -n "${number}p" "$file") ;;
      esac
      case "$origin|$uri" in
        *\|cdrom:*) ;;
        Debian\|*) whose=own ;;
        \|*://*.debian.org/* | \|*/debian/ | \|*/debian-security/)
          printf '%s\n' "$words" | grep -i 'signed-by' | grep -qv 'debian-archive' || whose=own ;;
      esac
      printf '%s|%s|%s|%s\n' "$whose" "$file" "${uri%/}" "$suite"
    done | sort -u
}
