#include "api/params.h"

#include "api/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace holdfast::api {
namespace {

constexpr std::size_t metadata_keys_max = 50;
constexpr std::size_t metadata_key_length_max = 40;
constexpr std::size_t metadata_value_length_max = 500;
constexpr std::size_t email_length_max = 800;
constexpr std::size_t shown_value_max = 100; ///< of a refused value, in its message

std::size_t characters(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string_view shown(std::string_view value) { return value.substr(0, shown_value_max); }

} // namespace

Params::Params(const FormNode& root) : state_(std::make_shared<State>()), node_(&root) {
    state_->root = &root;
}

Params::Params(std::shared_ptr<State> state, const FormNode* node, std::string prefix)
    : state_(std::move(state)), node_(node), prefix_(std::move(prefix)) {}

bool Params::has(std::string_view name) const { return node_ && node_->find(name); }

bool Params::is_text(std::string_view name) const { return node_ && node_->find_text(name); }

std::string Params::full_name(std::string_view name) const {
    return prefix_.empty() ? std::string(name) : fmt::format("{}[{}]", prefix_, name);
}

void Params::problem(Error error) {
    if (!state_->problem) state_->problem = std::move(error);
}

const FormNode* Params::take(std::string_view name) {
    const FormNode* child = node_ ? node_->find(name) : nullptr;
    if (child) state_->read.insert(child);
    return child;
}

const std::string* Params::take_text(std::string_view name) {
    const FormNode* child = take(name);
    if (!child) return nullptr;
    if (child->is_text()) return &child->text;
    problem(invalid_parameter(
        "parameter_invalid_string", full_name(name),
        fmt::format("Invalid string: {} must be a single value", full_name(name))));
    return nullptr;
}

void Params::empty_value(std::string_view name) {
    const std::string full = full_name(name);
    problem(invalid_parameter(
        "parameter_invalid_empty", full,
        fmt::format("You passed an empty string for '{0}'. We assume empty values are an attempt "
                    "to unset a parameter; however '{0}' cannot be unset. You should remove '{0}' "
                    "from your request or supply a non-empty value.",
                    full)));
}

void Params::not_one_of(std::string_view name, std::span<const std::string_view> names) {
    std::vector<std::string_view> allowed;
    std::ranges::copy_if(names, std::back_inserter(allowed),
                         [](std::string_view n) { return !n.empty(); });
    problem(invalid_parameter(
        "parameter_invalid_enum", full_name(name),
        fmt::format("Invalid {}: must be one of {}", full_name(name), fmt::join(allowed, ", "))));
}

void Params::missing(std::string_view name, std::string_view what, std::string_view given) {
    problem(missing_reference(what, shown(given), full_name(name)));
}

std::optional<std::string> Params::text(std::string_view name, std::size_t length_max) {
    const std::string* value = take_text(name);
    if (!value) return std::nullopt;
    if (value->empty()) {
        empty_value(name);
        return std::nullopt;
    }
    if (characters(*value) > length_max) {
        problem(
            invalid_parameter("parameter_invalid_string", full_name(name),
                              fmt::format("Invalid string: {}...; must be at most {} characters",
                                          shown(*value).substr(0, 20), length_max)));
        return std::nullopt;
    }
    return *value;
}

core::TextChange Params::text_change(std::string_view name, std::size_t length_max) {
    if (cleared(name)) return {true, std::nullopt};
    auto value = text(name, length_max);
    if (!value) return {};
    return {true, std::move(value)};
}

std::optional<std::int64_t> Params::integer(std::string_view name, std::int64_t min,
                                            std::int64_t max) {
    auto value = text(name);
    if (!value) return std::nullopt;
    std::int64_t number = 0;
    const char* end = value->data() + value->size();
    const auto [stop, error] = std::from_chars(value->data(), end, number);
    const std::string full = full_name(name);
    if (error != std::errc{} || stop != end) {
        problem(invalid_parameter("parameter_invalid_integer", full,
                                  fmt::format("Invalid integer: {}", shown(*value))));
        return std::nullopt;
    }
    if (number < min || number > max) {
        const bool low = number < min;
        problem(invalid_parameter("parameter_invalid_integer", full,
                                  fmt::format("Invalid {}: this value must be {} than or equal to "
                                              "{}",
                                              full, low ? "greater" : "less", low ? min : max)));
        return std::nullopt;
    }
    return number;
}

std::optional<bool> Params::boolean(std::string_view name) {
    auto value = text(name);
    if (!value) return std::nullopt;
    if (*value == "true") return true;
    if (*value == "false") return false;
    problem(invalid_parameter("parameter_invalid_boolean", full_name(name),
                              fmt::format("Invalid boolean: {}", shown(*value))));
    return std::nullopt;
}

std::optional<core::Currency> Params::currency(std::string_view name) {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto currency = core::Currency::parse(*value);
    if (currency) return currency;
    std::vector<std::string_view> known;
    for (std::size_t i = 0; i < core::Currency::count(); ++i)
        known.push_back(core::Currency::from_index(static_cast<std::uint8_t>(i))->code());
    problem(invalid_parameter("parameter_invalid", full_name(name),
                              fmt::format("Invalid currency: {}. Holdfast currently supports these "
                                          "currencies: {}",
                                          shown(*value), fmt::join(known, ", "))));
    return std::nullopt;
}

std::vector<std::string> Params::texts(std::string_view name, std::size_t length_max) {
    const FormNode* list = take(name);
    if (!list) return {};
    if (list->is_text() && list->text.empty()) return {}; // cleared
    const std::string full = full_name(name);
    if (!list->is_array()) {
        problem(invalid_parameter("parameter_invalid_array", full, "Invalid array"));
        return {};
    }
    std::vector<std::string> items;
    for (const FormNode* item : list->elements()) {
        state_->read.insert(item);
        const bool good = item->is_text() && !item->text.empty() &&
                          characters(item->text) <= length_max && items.size() < list_items_max;
        if (!good) {
            problem(invalid_parameter(
                "parameter_invalid_array", full,
                fmt::format("Invalid array: {} takes at most {} texts of 1 to {} characters", full,
                            list_items_max, length_max)));
            return {};
        }
        items.push_back(item->text);
    }
    return items;
}

core::MetadataChange Params::metadata_change() {
    core::MetadataChange change;
    const FormNode* node = take("metadata");
    if (!node) return change;
    if (node->is_text() && node->text.empty()) {
        change.clear = true;
        return change;
    }
    const std::string full = full_name("metadata");
    if (!node->is_map()) {
        problem(invalid_parameter("parameter_invalid", full,
                                  "Invalid metadata: metadata must be a set of key-value pairs"));
        return change;
    }
    for (const FormNode& pair : node->children) {
        state_->read.insert(&pair);
        const std::string param = fmt::format("{}[{}]", full, pair.name);
        if (!pair.is_text() || characters(pair.name) > metadata_key_length_max ||
            characters(pair.text) > metadata_value_length_max) {
            problem(invalid_parameter(
                "parameter_invalid", param,
                fmt::format("Metadata keys have at most {} characters and their values are texts "
                            "of at most {} characters",
                            metadata_key_length_max, metadata_value_length_max)));
            return change;
        }
        if (pair.text.empty())
            change.set.emplace(pair.name, std::nullopt);
        else
            change.set.emplace(pair.name, pair.text);
    }
    if (change.set.size() > metadata_keys_max)
        problem(invalid_parameter(
            "parameter_invalid", full,
            fmt::format("You can have up to {} metadata keys", metadata_keys_max)));
    return change;
}

core::Metadata Params::metadata() {
    core::Metadata metadata;
    metadata_change().apply_to(metadata);
    return metadata;
}

std::optional<std::string> Params::email(std::string_view name) {
    auto value = text(name, email_length_max);
    if (!value) return std::nullopt;
    const std::size_t at = value->rfind('@');
    const bool plausible = at != std::string::npos && at > 0 && at + 1 < value->size() &&
                           value->find_first_of(" \t\r\n") == std::string::npos;
    if (plausible) return value;
    problem(invalid_parameter("email_invalid", full_name(name),
                              fmt::format("Invalid email address: {}", shown(*value))));
    return std::nullopt;
}

std::optional<core::Address> Params::address(std::string_view name) {
    if (cleared(name)) return std::nullopt;
    Params fields = map(name);
    if (fields.absent()) return std::nullopt;
    core::Address address;
    address.city = fields.text_change("city").value;
    address.country = fields.text_change("country").value;
    address.line1 = fields.text_change("line1").value;
    address.line2 = fields.text_change("line2").value;
    address.postal_code = fields.text_change("postal_code").value;
    address.state = fields.text_change("state").value;
    return address;
}

core::Change<std::optional<core::Shipping>> Params::shipping_change() {
    if (cleared("shipping")) return {true, std::nullopt};
    Params fields = map("shipping");
    if (fields.absent()) return {};
    core::Shipping shipping;
    fields.require("address");
    fields.require("name");
    if (auto address = fields.address("address")) shipping.address = std::move(*address);
    shipping.name = fields.text("name");
    shipping.phone = fields.text_change("phone").value;
    shipping.carrier = fields.text_change("carrier").value;
    shipping.tracking_number = fields.text_change("tracking_number").value;
    return {true, std::move(shipping)};
}

core::BillingDetails Params::billing_details() {
    core::BillingDetails billing;
    Params fields = map("billing_details");
    billing.address = fields.address("address");
    if (!fields.cleared("email")) billing.email = fields.email("email");
    billing.name = fields.text_change("name").value;
    billing.phone = fields.text_change("phone").value;
    return billing;
}

std::optional<std::string> Params::one_of(std::string_view name,
                                          std::initializer_list<std::string_view> allowed) {
    auto given = text(name);
    if (!given || std::ranges::find(allowed, *given) != allowed.end()) return given;
    not_one_of(name, std::span(allowed.begin(), allowed.size()));
    return std::nullopt;
}

Params Params::map(std::string_view name) {
    const FormNode* child = take(name);
    if (child && !child->is_map()) {
        problem(invalid_parameter("parameter_invalid", full_name(name), "Invalid object"));
        child = nullptr;
    }
    return Params(state_, child, full_name(name));
}

bool Params::cleared(std::string_view name) {
    const FormNode* child = node_ ? node_->find(name) : nullptr;
    if (!child || !child->is_text() || !child->text.empty()) return false;
    state_->read.insert(child);
    return true;
}

namespace {

void mark_all(const FormNode& node, std::set<const FormNode*>& read) {
    read.insert(&node);
    for (const FormNode& child : node.children) mark_all(child, read);
}

} // namespace

void Params::ignore(std::string_view name) {
    if (const FormNode* child = node_ ? node_->find(name) : nullptr) mark_all(*child, state_->read);
}

void Params::require(std::string_view name) {
    if (has(name)) return;
    const std::string full = full_name(name);
    problem(invalid_parameter("parameter_missing", full,
                              fmt::format("Missing required param: {}.", full)));
}

std::optional<Error> Params::first_unknown(const FormNode& node, const std::string& prefix) const {
    for (const FormNode& child : node.children) {
        const std::string full =
            prefix.empty() ? child.name : fmt::format("{}[{}]", prefix, child.name);
        if (!state_->read.contains(&child))
            return invalid_parameter("parameter_unknown", full,
                                     fmt::format("Received unknown parameter: {}", full));
        if (auto below = first_unknown(child, full)) return below;
    }
    return std::nullopt;
}

Result<void> Params::done() const {
    if (auto unknown = first_unknown(*state_->root, "")) {
        if (!state_->problem || state_->problem->code == "parameter_missing")
            return fail(std::move(*unknown));
    }
    if (state_->problem) return fail(*state_->problem);
    return {};
}

} // namespace holdfast::api
