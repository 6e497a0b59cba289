#pragma once

// SqlText: a SQL text that is put together at compile time, from parts and numbers. For the
// statements that follow from a list of columns (sql_table.h) or of filters (sql_lists.h).
// At most size_max bytes; the compiler refuses more. (std::string can't: libstdc++ 12 under clang.)

#include <cstddef>
#include <string_view>

namespace holdfast::store {

class SqlText {
  public:
    constexpr SqlText& add(std::string_view part) {
        for (char c : part) data_[size_++] = c;
        return *this;
    }
    constexpr SqlText& add(std::size_t number) {
        if (number >= 10) add(number / 10);
        data_[size_++] = static_cast<char>('0' + number % 10);
        return *this;
    }
    /// `separator`, unless nothing has been written since `start`.
    constexpr SqlText& separate(std::size_t start, std::string_view separator = ", ") {
        return size_ > start ? add(separator) : *this;
    }
    constexpr std::size_t size() const { return size_; }
    constexpr const char* c_str() const { return data_; }

  private:
    static constexpr std::size_t size_max = 3000;
    char data_[size_max]{};
    std::size_t size_ = 0;
};

} // namespace holdfast::store
