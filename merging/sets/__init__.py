"""The bundled sets: base, experts, tasks that fit together."""
