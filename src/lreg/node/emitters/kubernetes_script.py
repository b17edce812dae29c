"""The script that a DaemonSet's pod runs on every node."""

from __future__ import annotations

from lreg.node.hosts import BEGIN, END

SCRIPT = f"""\
#!/bin/sh
# Brings the files beside this script to the node whose folders are mounted in $NODE.
# What a file was before the first time is kept on the node, in /var/lib/lreg-daemonset.
set -eu
umask 022
HERE=$(dirname "$0")
NODE=${{NODE:-/node}}

keep() {{ # PATH
  kept="$NODE/var/lib/lreg-daemonset/$1"
  if [ -e "$kept" ] || [ -e "$kept.none" ]; then return; fi
  mkdir -p "$(dirname "$kept")"
  if [ -e "$NODE/$1" ]; then cat "$NODE/$1" >"$kept"; else : >"$kept.none"; fi
}}

# The file is lreg's: it holds this and nothing else.
put() {{ # KEY PATH MODE
  at="$NODE/$2"
  if cmp -s "$HERE/$1" "$at"; then return; fi
  keep "$2"
  mkdir -p "$(dirname "$at")"
  cat "$HERE/$1" >"$at.lreg-new"
  chmod "$3" "$at.lreg-new"
  mv "$at.lreg-new" "$at"
  echo "wrote /$2"
}}

# The file is the node's: it is written where there is none, and else has to say this already.
agree() {{ # KEY PATH MODE
  at="$NODE/$2"
  if [ ! -s "$at" ]; then put "$@"; return; fi
  if cmp -s "$HERE/$1" "$at"; then return; fi
  case $2 in
  etc/containerd/config.toml)
    if grep -q "^ *config_path *= *[\\"']/etc/containerd/certs.d[\\"']" "$at"; then return; fi ;;
  esac
  echo "/$2 has other settings: bring these in by hand, or run lreg node apply on the node:" >&2
  cat "$HERE/$1" >&2
  exit 1
}}

# The lines between the marks are lreg's. The file is written in place: it may be mounted.
hosts() {{ # KEY PATH MODE
  at="$NODE/$2"
  others=$(cat "$at")
  if grep -qx '{END}' "$at"; then others=$(sed '/^{BEGIN}$/,/^{END}$/d' "$at"); fi
  now=$(printf '%s\n' "$others"; cat "$HERE/$1")
  if [ "$now" = "$(cat "$at")" ]; then return; fi
  keep "$2"
  printf '%s\n' "$now" >"$at"
  echo "wrote /$2"
}}

"""
