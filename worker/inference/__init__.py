"""Text in, probabilities out: cleaning, bundles and the engines. Knows nothing of Kafka."""
