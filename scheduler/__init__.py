"""The process that decides what runs next: relay, rescue, schedules."""
