"""Other registries: the transport, tokens and credentials, a registry handle, copying."""
