"""Self-contained HTML pages with plots inside; they ask nothing of the network."""
