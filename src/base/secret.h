#pragma once

// Secret<T>: a value that never prints. It can't be formatted, logged, compared with == or copied
// into a string by accident; reveal() is the one way out and easy to find in review. Compare with
// constant_time_equal. Memory is wiped on destruction where T is a std::string.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast {

/// True when equal; the time taken depends on the lengths only.
bool constant_time_equal(std::string_view a, std::string_view b);

/// Overwrites memory in a way the compiler does not remove.
void wipe(void* data, std::size_t size);

template <class T> class Secret {
  public:
    Secret() = default;
    explicit Secret(T value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret(Secret&&) noexcept = default;
    Secret& operator=(const Secret&) = default;
    Secret& operator=(Secret&&) noexcept = default;
    ~Secret() {
        if constexpr (requires { value_.data(); value_.size(); }) {
            wipe(const_cast<void*>(static_cast<const void*>(value_.data())), value_.size());
        }
    }
    const T& reveal() const { return value_; }

  private:
    T value_{};
};

using SecretString = Secret<std::string>;

} // namespace holdfast
