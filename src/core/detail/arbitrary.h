#pragma once

// arbitrary: random values of core's types, for tests. Private to core.
//
// It walks the members of a struct by reflection (Boost.PFR), not by fields(): a member that the
// codec forgets is filled here and missing after a round trip. Strings hold any byte; enumerators
// and currencies are known ones, everything else takes any value of its type.
//
//   auto payment = Arbitrary(seed).make<PaymentIntent>();

#include "core/command.h"
#include "core/names.h"

#include <boost/pfr.hpp>

#include <random>

namespace holdfast::core {

class Arbitrary {
  public:
    explicit Arbitrary(std::uint64_t seed) : random_(seed) {}

    template <class T> T make() {
        T value{};
        fill(value);
        return value;
    }
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool coin() { return below(2) == 1; }

    void fill(bool& value) { value = coin(); }
    template <std::integral T> void fill(T& value) {
        value = static_cast<T>(random_() >> below(64));
    }
    template <Named T> void fill(T& value) { value = static_cast<T>(below(names_of<T>.size())); }
    void fill(Currency& value) {
        value = *Currency::from_index(static_cast<std::uint8_t>(below(Currency::count())));
    }
    void fill(std::string& value) {
        const std::uint64_t size = coin() ? below(8) : below(200);
        for (std::uint64_t i = 0; i < size; ++i) value += static_cast<char>(random_());
    }
    void fill(WallTime& value) { value = wall_from_micros(static_cast<std::int64_t>(random_())); }
    void fill(Uuid& value) {
        for (auto& byte : value.bytes) byte = static_cast<std::uint8_t>(random_());
    }
    template <class T> void fill(Id<T>& value) { value = Id<T>(make<Uuid>()); }
    template <class T> void fill(std::optional<T>& value) {
        if (coin()) fill(value.emplace());
    }
    template <class T> void fill(std::vector<T>& value) {
        for (auto left = below(4); left > 0; --left) fill(value.emplace_back());
    }
    template <class Key, class T, class Less> void fill(std::map<Key, T, Less>& value) {
        for (auto left = below(4); left > 0; --left) {
            const Key key = make<Key>();
            fill(value[key]);
        }
    }
    template <class... T> void fill(std::variant<T...>& value) {
        std::uint64_t left = below(sizeof...(T));
        (void)((left-- == 0 ? (fill(value.template emplace<T>()), true) : false) || ...);
    }
    /// What is not set has no value.
    template <class T> void fill(Change<T>& value) {
        value.set = coin();
        if (value.set) fill(value.value);
    }
    template <class T>
        requires std::is_aggregate_v<T>
    void fill(T& value) {
        boost::pfr::for_each_field(value, [this](auto& member) { this->fill(member); });
    }

  private:
    std::mt19937_64 random_;
};

/// Equality, member by member, also for structs without an operator==.
template <class T> bool same(const T& a, const T& b);
template <class T> bool same(const std::optional<T>& a, const std::optional<T>& b) {
    return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
template <class... T> bool same(const std::variant<T...>& a, const std::variant<T...>& b) {
    return a.index() == b.index() &&
           std::visit(
               [&b](const auto& left) {
                   return same(left, std::get<std::remove_cvref_t<decltype(left)>>(b));
               },
               a);
}
template <class T> bool same(const T& a, const T& b) {
    if constexpr (std::equality_comparable<T>) {
        return a == b;
    } else {
        bool all = true;
        boost::pfr::for_each_field(a, [&](const auto& member, auto index) {
            all = all && same(member, boost::pfr::get<index.value>(b));
        });
        return all;
    }
}

} // namespace holdfast::core
