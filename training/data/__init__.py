"""From raw sets to prepared rows: load and inspect, clean, encode, split, save."""
