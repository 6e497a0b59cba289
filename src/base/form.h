#pragma once

// Form: request parameters in application/x-www-form-urlencoded with brackets for structure, as
// Stripe's API takes them in bodies and query strings.
//
//   amount=1099&shipping[address][line1]=Main+St&expand[]=customer&items[0][a]=b&metadata%5Bk%5D=
//
// parse_form() gives an ordered tree. A key is a name and segments in brackets; brackets may be
// percent-encoded. `[]` appends to a List; a name or number makes a Map, because metadata[7] is a
// key and items[0] an index and only the reader knows which: elements() sees both forms of a list
// alike. items[][a]=1&items[][b]=2 fills one element, a repeated name starts the next. The empty
// string is a value; what it means ("clear") is the reader's business.
//
// Everything in a tree is valid_text(): UTF-8 without NUL. Refused, with kind Invalid, the code
// below and `param` naming the key as far as it is text:
//   parameter_invalid_encoding   a % without two hex digits, a NUL, invalid UTF-8
//   parameter_invalid_key        brackets that don't pair up, a key without a name
//   parameter_invalid_shape      a=1&a[b]=2, a[]=1&a[0]=2
//   parameter_invalid_duplicate  a=1&a=2: no guessing about money
//   parameter_limit              a limit of FormLimits
//
// Sources: url.spec.whatwg.org (urlencoded parsing), docs.stripe.com/api, rack/query_parser.rb (the
// rule for repeated [] keys).

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct FormLimits {
    std::size_t bytes_max = 256 << 10;
    std::size_t pairs_max = 1000;
    std::size_t depth_max = 10;
    std::size_t key_bytes_max = 512;
};

struct FormNode {
    enum class Kind : std::uint8_t { Text, Map, List };

    Kind kind = Kind::Map;
    std::string name; ///< under which a Map holds this node
    std::string text;
    std::vector<FormNode> children; ///< in order of appearance; names are unique in a Map

    bool is_text() const { return kind == Kind::Text; }
    bool is_map() const { return kind == Kind::Map; }
    bool is_list() const { return kind == Kind::List; }

    /// A child of a Map, or null.
    const FormNode* find(std::string_view child) const;
    /// find() of a Text, or null when absent or of another kind.
    const std::string* find_text(std::string_view child) const;
    /// Follows names: root.at({"shipping", "address", "line1"}).
    const FormNode* at(std::initializer_list<std::string_view> path) const;
    /// Whether elements() gives the members of a list: it is one, or a Map of distinct indices.
    bool is_array() const;
    /// In order of their indices; empty unless is_array().
    std::vector<const FormNode*> elements() const;

    bool operator==(const FormNode&) const = default;
};

Result<FormNode> parse_form(std::string_view encoded, const FormLimits& limits = {});

/// The tree as text again, in its own order; lists are written as a[0], a[1].
std::string encode_form(const FormNode& root);

/// For clients: writes pairs one by one. Keys may carry brackets.
class FormWriter {
  public:
    FormWriter& add(std::string_view key, std::string_view value);
    FormWriter& add(std::string_view key, std::int64_t value);
    const std::string& str() const { return text_; }

  private:
    std::string text_;
};

/// Percent-encodes all but unreserved characters (RFC 3986).
std::string percent_encode(std::string_view text);
/// Empty optional on a bad escape. Says nothing about UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

} // namespace holdfast
