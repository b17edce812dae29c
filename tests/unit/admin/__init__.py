"""The admin API's vocabulary."""
