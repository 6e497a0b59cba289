#pragma once

// own_program(): the path of the program that runs, to start it again as another process. From
// /proc/self/exe, so that it is the same file however it was called; CHECKs that the kernel says.

#include <string>

namespace holdfast {

std::string own_program();

} // namespace holdfast
