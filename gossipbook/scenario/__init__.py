"""What a run is to be, as data: the scenario file, the rules that its values keep to, and the orders that it trades."""
