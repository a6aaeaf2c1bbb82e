"""What the imagined apps do: each module plays one product through `bench.sdk.Recorder`."""
