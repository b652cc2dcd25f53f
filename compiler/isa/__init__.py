"""The instruction set, declared once: builder, verifier, encoding, text form and C++ projection."""
