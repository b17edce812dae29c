"""The script that a DaemonSet's pod runs on every node."""

from __future__ import annotations

from lreg.node.hosts import BEGIN, END

SCRIPT = rf"""#!/bin/sh
# Brings the files beside this script to the node whose folders are mounted in $NODE.
# What a file was before the first time is kept on the node, in /var/lib/lreg-daemonset; what was
# written there last is in .written under it.
set -eu
umask 022
NEWS=
HERE=$(dirname "$0")
NODE=${{NODE:-/node}}
KEPT=$NODE/var/lib/lreg-daemonset
WRITTEN=$KEPT/.written

is_kept() {{ [ -e "$KEPT/$1" ] || [ -e "$KEPT/$1.none" ]; }} # PATH

keep() {{ # PATH
  if is_kept "$1"; then return; fi
  mkdir -p "$(dirname "$KEPT/$1")"
  if [ -e "$NODE/$1" ]; then cat "$NODE/$1" >"$KEPT/$1"; else : >"$KEPT/$1.none"; fi
}}

# The file is lreg's: it holds this and nothing else.
put() {{ # KEY PATH MODE
  at="$NODE/$2"
  if ! cmp -s "$HERE/$1" "$at"; then
    keep "$2"
    mkdir -p "$(dirname "$at")"
    cat "$HERE/$1" >"$at.lreg-new"
    chmod "$3" "$at.lreg-new"
    mv "$at.lreg-new" "$at"
    NEWS="wrote /$2"
    echo "$NEWS"
  fi
  if is_kept "$2"; then
    mkdir -p "$(dirname "$WRITTEN/$2")"
    cat "$at" >"$WRITTEN/$2"
  fi
}}

# The file is the node's: it is written where there is none, or it is as it was written here; else
# it has to say this already.
agree() {{ # KEY PATH MODE
  at="$NODE/$2"
  if [ ! -s "$at" ] || cmp -s "$HERE/$1" "$at" || cmp -s "$WRITTEN/$2" "$at"; then
    put "$@"
    return
  fi
  case $2 in
  etc/containerd/config.toml)
    if grep -q "^ *config_path *= *[\"']/etc/containerd/certs.d[\"']" "$at"; then return; fi ;;
  esac
  echo "refused, nothing was changed: /$2 has other settings; bring these in by hand, or run" \
    "lreg node apply on this node:" >&2
  cat "$HERE/$1" >&2
  exit 1
}}

# The lines between the marks are lreg's. The file is written in place: it may be mounted.
hosts() {{ # FILE
  at="$NODE/etc/hosts"
  mkdir -p "$KEPT"
  awk -v begin='{BEGIN}' -v end='{END}' '
    $0 == begin {{ printf "%s", held; held = $0 "\n"; inside = 1; next }}
    inside && $0 == end {{ held = ""; inside = 0; next }}
    inside {{ held = held $0 "\n"; next }}
    {{ print }}
    END {{ printf "%s", held }}' "$at" >"$KEPT/.hosts"
  cat "$1" >>"$KEPT/.hosts"
  if ! cmp -s "$KEPT/.hosts" "$at" && {{ [ -s "$1" ] || grep -qxF '{BEGIN}' "$at"; }}; then
    keep etc/hosts
    cat "$KEPT/.hosts" >"$at"
    echo "wrote /etc/hosts"
  fi
  rm "$KEPT/.hosts"
}}

# What was written before is as it was, but for these; it fails where somebody has changed it since.
only() {{ # PATH...
  [ -d "$WRITTEN" ] || return 0
  find "$WRITTEN" -type f | {{
    left=0
    while read -r written; do
      path=${{written#"$WRITTEN/"}}
      case " $* " in *" $path "*) continue ;; esac
      if cmp -s "$written" "$NODE/$path"; then
        back "$path" || return
        rm -f "$written" "$KEPT/$path" "$KEPT/$path.none"
        echo "took back /$path"
      elif [ -e "$NODE/$path" ]; then
        echo "left /$path: changed since; mend it by hand" >&2
        left=1
      fi
    done
    return $left
  }}
}}

# What it was before; an empty folder of a host would hide what holds for all hosts.
back() {{ # PATH
  if [ -e "$KEPT/$1" ]; then
    cat "$KEPT/$1" >"$NODE/$1"
  else
    rm "$NODE/$1" || return
    rmdir "$(dirname "$NODE/$1")" 2>/dev/null || :
  fi
}}

"""
