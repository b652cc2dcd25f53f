"""The compiler: StableHLO in, a Program for the emulated device out."""
