"""The edge: raw tweets in from Kafka, labelled events and live counts out."""
