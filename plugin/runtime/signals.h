// Signals while a thread waits in C++ for longer than a person does.
#pragma once

namespace ascend {

// Runs Python's handlers of the signals that have come. If one raises an exception (KeyboardInterrupt), that
// is raised in Python as soon as this thread is back there; returns whether one did.
bool interrupted();

}  // namespace ascend
