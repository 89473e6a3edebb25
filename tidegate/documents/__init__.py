"""Documents from people and from outside, validated whole where they come in."""
