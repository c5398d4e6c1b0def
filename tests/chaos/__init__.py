"""Breaks a running stream on purpose and then checks what the documentation promises."""
