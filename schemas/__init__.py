"""The contract: what travels on the topics, what the HTTP side answers, what a bundle says of itself."""
