"""What was, restored beside what is: to prove that it can be, and to bring rows back."""
