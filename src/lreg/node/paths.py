"""Where runtimes look for what they are told, relative to a node's root."""

from __future__ import annotations

CONTAINERD_TOML = "etc/containerd/config.toml"
CONTAINERD_CERTS = "etc/containerd/certs.d"
CRIO_CONF = "etc/crio/crio.conf"
REGISTRIES_CONF = "etc/containers/registries.conf"
DAEMON_JSON = "etc/docker/daemon.json"
BUILDKITD_TOML = "etc/buildkit/buildkitd.toml"
