// Signals while a thread waits in C++ for longer than a person does.
#pragma once

namespace ascend {

// Runs Python's handlers of the signals that have come. If one raises an exception (KeyboardInterrupt), that
// is raised in Python as soon as this thread is back there, and an Error{kCancelled} is thrown here.
void check_signals();

}  // namespace ascend
