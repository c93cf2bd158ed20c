"""The only home of tasks: the loop around the floor, its clock, its ports, and the watch over a hung engine."""
