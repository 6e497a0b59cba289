#pragma once

// ParamArray<T>: one column of a batch, sent as one parameter of a set-based statement.
//
//   ParamArray<Id<PaymentIntent>> ids;
//   ParamArray<std::int64_t> amounts_minor;
//   for (const auto& intent : changed) {
//       ids.append(intent.id);
//       amounts_minor.append(intent.amount_minor);
//   }
//   pipeline.add(kUpdateIntents, ids, amounts_minor);   // unnest($1::uuid[], $2::bigint[])
//
// Representation: PostgreSQL's binary array, grown value by value in one string, so a row costs no
// allocation of its own; keep the object and clear() it, and a batch costs none at all. add()
// copies the bytes, so the array can be changed or dropped at once. append() takes a T, an
// optional<T> or nullopt.
//
// Limits: a parameter is at most max_parameter_bytes; more makes run() answer an Error.

#include "db/wire.h"

#include <cstddef>

namespace holdfast::db {

/// Well under what the server takes (1 GB), well over any batch.
inline constexpr std::size_t max_parameter_bytes = 256 * 1024 * 1024;

template <class T> class ParamArray {
  public:
    ParamArray() { clear(); }

    void reserve(std::size_t values) { bytes_.reserve(header_size + values * value_size_guess); }

    void append(const T& value) {
        const std::size_t start = bytes_.size();
        wire::append(bytes_, std::int32_t{0});
        Wire<T>::append(bytes_, value);
        patch(start, static_cast<std::int32_t>(bytes_.size() - start - sizeof(std::int32_t)));
        patch(count_at, ++count_);
    }
    template <class U> void append(const std::optional<U>& value) {
        if (value)
            append(T{*value});
        else
            append(std::nullopt);
    }
    void append(std::nullopt_t) {
        wire::append(bytes_, std::int32_t{-1});
        patch(has_nulls_at, std::int32_t{1});
        patch(count_at, ++count_);
    }

    /// Empties it and keeps the memory.
    void clear() {
        bytes_.clear();
        count_ = 0;
        wire::append(bytes_, std::int32_t{1}); // dimensions
        wire::append(bytes_, std::int32_t{0}); // whether there are NULLs
        wire::append(bytes_, Wire<T>::oid);
        wire::append(bytes_, count_);
        wire::append(bytes_, std::int32_t{1}); // the first index
    }

    std::size_t size() const { return static_cast<std::size_t>(count_); }
    bool empty() const { return count_ == 0; }
    std::string_view bytes() const { return bytes_; }

  private:
    static constexpr std::size_t header_size = 20, has_nulls_at = 4, count_at = 12;
    static constexpr std::size_t value_size_guess = 24;

    void patch(std::size_t position, std::int32_t value) {
        value = wire::swapped(value);
        std::memcpy(bytes_.data() + position, &value, sizeof value);
    }

    std::string bytes_;
    std::int32_t count_ = 0;
};

/// How an argument of Pipeline::add is sent: its type and its bytes; `append` is false for NULL.
template <class T> struct Param {
    static constexpr Oid oid = Wire<T>::oid;
    static bool append(std::string& out, const T& value) {
        Wire<T>::append(out, value);
        return true;
    }
};
template <class T> struct Param<std::optional<T>> {
    static constexpr Oid oid = Param<T>::oid;
    static bool append(std::string& out, const std::optional<T>& value) {
        return value && Param<T>::append(out, *value);
    }
};
template <class T> struct Param<ParamArray<T>> {
    static constexpr Oid oid = Wire<T>::array_oid;
    static bool append(std::string& out, const ParamArray<T>& value) {
        out += value.bytes();
        return true;
    }
};
template <std::size_t N> struct Param<char[N]> {
    static constexpr Oid oid = oid::text;
    static bool append(std::string& out, const char* value) {
        out += value;
        return true;
    }
};
template <> struct Param<const char*> : Param<char[1]> {};

} // namespace holdfast::db
