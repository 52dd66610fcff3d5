"""The fault campaign: kills, flipped bits, full disks, hostile inputs (`make faults`)."""
