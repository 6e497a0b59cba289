#pragma once

// Secret<T>: a value that never prints. It can't be formatted, logged, compared with == or copied
// into a string by accident; reveal() is the one way out and easy to find in review. Compare with
// constant_time_equal. Memory of a string or byte container is wiped when the value is destroyed or
// replaced, as far as this object owns it: a moved-from short string is covered, copies that
// reveal() hands out are not.

#include <concepts>
#include <cstddef>
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
    Secret& operator=(Secret other) noexcept {
        std::swap(value_, other.value_); // `other` takes the old value along and wipes it
        return *this;
    }
    ~Secret() {
        if constexpr (std::same_as<T, std::string>) {
            wipe(value_.data(), value_.capacity());
        } else if constexpr (requires {
                                 value_.data();
                                 value_.size();
                             }) {
            wipe(value_.data(), value_.size() * sizeof(*value_.data()));
        }
    }
    const T& reveal() const { return value_; }

  private:
    T value_{};
};

using SecretString = Secret<std::string>;

} // namespace holdfast
