#pragma once

// Params: typed reading of request parameters.
//
// A handler reads what it knows, then calls done(): the first thing that was wrong is the answer,
// and a parameter nobody read is "parameter_unknown", as in Stripe's API. Readers never fail by
// themselves, so a handler is a list of reads without a branch each.
//
//   core::CreateCustomer create;
//   create.customer.email = params.text("email", 512);
//   create.customer.metadata = params.metadata();
//   CO_TRY_VOID(params.done());
//
// Absent is absent; the empty string clears (TextChange) or is refused where nothing can be
// cleared. Lengths are in characters as Stripe counts them (bytes would punish other scripts), on
// UTF-8 that the form codec has validated.

#include "base/form.h"
#include "core/command.h"
#include "core/names.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::api {

inline constexpr std::size_t text_length_max = 5000;
inline constexpr std::size_t list_items_max = 100;

class Params {
  public:
    /// `root` outlives this.
    explicit Params(const FormNode& root);

    bool has(std::string_view name) const;
    bool is_text(std::string_view name) const;
    /// Name of a parameter as the client wrote it: shipping[address][line1].
    std::string full_name(std::string_view name) const;

    std::optional<std::string> text(std::string_view name,
                                    std::size_t length_max = text_length_max);
    core::TextChange text_change(std::string_view name, std::size_t length_max = text_length_max);
    std::optional<std::int64_t> integer(
        std::string_view name, std::int64_t min = std::numeric_limits<std::int64_t>::min(),
        std::int64_t max = std::numeric_limits<std::int64_t>::max());
    std::optional<bool> boolean(std::string_view name);
    std::optional<core::Currency> currency(std::string_view name);
    std::vector<std::string> texts(std::string_view name, std::size_t length_max = text_length_max);
    core::MetadataChange metadata_change();
    core::Metadata metadata();
    std::optional<core::Address> address(std::string_view name);
    core::Change<std::optional<core::Shipping>> shipping_change();
    core::BillingDetails billing_details();
    std::optional<std::string> email(std::string_view name);

    /// One of the names of a core enum.
    template <core::Named E> std::optional<E> named(std::string_view name) {
        auto given = text(name);
        if (!given) return std::nullopt;
        auto value = core::parse_name<E>(*given);
        if (!value) not_one_of(name, core::names_of<E>);
        return value;
    }

    /// One of a few texts, kept as the API spells them.
    std::optional<std::string> one_of(std::string_view name,
                                      std::initializer_list<std::string_view> allowed);

    /// An id in its text form; a text of another form names nothing that exists, so it is answered
    /// as resource_missing ("No such customer: 'x'").
    template <class T> std::optional<Id<T>> id(std::string_view name, std::string_view what) {
        auto given = text(name);
        if (!given) return std::nullopt;
        auto parsed = Id<T>::parse(*given);
        if (!parsed) missing(name, what, *given);
        return parsed;
    }

    /// Nested parameters; reads as empty when absent.
    Params map(std::string_view name);
    /// This nested reader stands for nothing that was sent.
    bool absent() const { return node_ == nullptr; }
    /// The parameter was sent as "" (to clear it).
    bool cleared(std::string_view name);
    /// Parameters that are accepted and mean nothing here.
    void ignore(std::string_view name);

    void require(std::string_view name);
    void problem(Error error);
    /// The first problem, or the first unknown parameter, or nothing.
    Result<void> done() const;

  private:
    struct State { ///< shared by a root and its nested readers
        std::optional<Error> problem;
        std::set<const FormNode*> read;
        const FormNode* root = nullptr;
    };
    Params(std::shared_ptr<State> state, const FormNode* node, std::string prefix);

    const FormNode* take(std::string_view name);
    const std::string* take_text(std::string_view name);
    void not_one_of(std::string_view name, std::span<const std::string_view> names);
    void missing(std::string_view name, std::string_view what, std::string_view given);
    void empty_value(std::string_view name);
    std::optional<Error> first_unknown(const FormNode& node, const std::string& prefix) const;

    std::shared_ptr<State> state_;
    const FormNode* node_; ///< null: absent
    std::string prefix_;
};

} // namespace holdfast::api
