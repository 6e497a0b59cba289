#include "base/own_program.h"

#include "base/result.h"

#include <unistd.h>

namespace holdfast {

std::string own_program() {
    std::string path(4096, '\0');
    const auto size = ::readlink("/proc/self/exe", path.data(), path.size());
    CHECK(size > 0);
    path.resize(static_cast<std::size_t>(size));
    return path;
}

} // namespace holdfast
