"""The policy: pure rules over values. It knows settings, not regulators; profiles choose the settings."""
