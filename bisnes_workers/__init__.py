"""The working processes: relay, events, and one worker per channel."""
