"""What a program built with Trellis runs on, without the components themselves."""
