#include "base/form.h"

#include "base/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

namespace holdfast {

namespace {

using Segments = std::vector<std::string_view>; ///< "" stands for []

std::unexpected<Error> refuse(std::string code, std::string message, std::string_view param) {
    return fail(Error{.kind = ErrorClass::Invalid,
                      .code = std::move(code),
                      .message = std::move(message),
                      .param = std::string(param)});
}

std::unexpected<Error> bad_shape(std::string_view key) {
    return refuse(
        "parameter_invalid_shape",
        fmt::format("The parameter {} contradicts an earlier one: a parameter is either a "
                    "value, an array or a hash.",
                    key),
        key);
}

std::unexpected<Error> over_limit(std::string what, std::string_view param = {}) {
    return refuse("parameter_limit", std::move(what), param);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Result<Segments> split_key(std::string_view key, std::size_t depth_max) {
    const auto malformed = [key] {
        return refuse(
            "parameter_invalid_key",
            fmt::format("The parameter name '{}' is malformed; write a[b][c]=value.", key), key);
    };
    const std::size_t name_end = std::min(key.find('['), key.size());
    Segments segments{key.substr(0, name_end)};
    if (segments[0].empty() || segments[0].contains(']')) return malformed();
    for (std::string_view rest = key.substr(name_end); !rest.empty();) {
        const std::size_t close = rest.find(']');
        if (rest.front() != '[' || close == rest.npos) return malformed();
        const std::string_view segment = rest.substr(1, close - 1);
        if (segment.contains('[')) return malformed();
        if (segments.size() == depth_max) {
            return over_limit(fmt::format("Parameters nest at most {} deep.", depth_max), key);
        }
        segments.push_back(segment);
        rest.remove_prefix(close + 1);
    }
    return segments;
}

FormNode* find_child(FormNode& node, std::string_view name) {
    return const_cast<FormNode*>(std::as_const(node).find(name));
}

bool has_path(const FormNode& node, std::span<const std::string_view> path) {
    if (path.empty()) return true;
    if (path.front().empty()) return false; // [] always has room for one more
    const FormNode* child = node.find(path.front());
    return child != nullptr && has_path(*child, path.subspan(1));
}

/// The node for the first segment of `path` below `parent`, made when it is not there. Null when
/// `parent` is of another shape.
FormNode* descend(FormNode& parent, std::span<const std::string_view> path) {
    const std::string_view name = path.front();
    const auto wanted = name.empty() ? FormNode::Kind::List : FormNode::Kind::Map;
    // A fresh node is an empty map, and takes its shape from its first child.
    if (parent.is_map() && parent.children.empty()) parent.kind = wanted;
    if (parent.kind != wanted) return nullptr;
    if (wanted == FormNode::Kind::Map) {
        if (FormNode* child = find_child(parent, name)) return child;
    } else if (path.size() > 1 && !parent.children.empty()) {
        FormNode& last = parent.children.back();
        if (last.is_map() && !has_path(last, path.subspan(1))) return &last;
    }
    FormNode& child = parent.children.emplace_back();
    child.name = name;
    return &child;
}

Result<void> insert(FormNode& root, std::string_view key, const Segments& segments,
                    std::string value) {
    FormNode* node = &root;
    std::span<const std::string_view> path = segments;
    for (; !path.empty(); path = path.subspan(1)) {
        node = descend(*node, path);
        if (node == nullptr) return bad_shape(key);
    }
    if (node->is_text()) {
        return refuse("parameter_invalid_duplicate",
                      fmt::format("The parameter {} was given twice.", key), key);
    }
    if (!node->children.empty()) return bad_shape(key);
    node->kind = FormNode::Kind::Text;
    node->text = std::move(value);
    return {};
}

Result<void> insert_pair(FormNode& root, std::string_view pair, const FormLimits& limits) {
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (equals > 3 * limits.key_bytes_max)
        return over_limit("The name of a parameter is too long.");
    const auto key = percent_decode(pair.substr(0, equals), true);
    if (!key || !valid_text(*key)) {
        return refuse("parameter_invalid_encoding",
                      "The name of a parameter is not valid percent-encoded UTF-8.", {});
    }
    if (key->size() > limits.key_bytes_max) {
        return over_limit("The name of a parameter is too long.",
                          truncate_text(*key, limits.key_bytes_max));
    }
    TRY(const Segments segments, split_key(*key, limits.depth_max));
    auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!value || !valid_text(*value)) {
        return refuse("parameter_invalid_encoding",
                      fmt::format("The value of {} is not valid percent-encoded UTF-8.", *key),
                      *key);
    }
    return insert(root, *key, segments, *std::move(value));
}

std::optional<std::uint32_t> as_index(std::string_view name) {
    std::uint32_t index = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (failure != std::errc() || end != name.data() + name.size()) return std::nullopt;
    if (name.size() > 1 && name.front() == '0') return std::nullopt; // 01 would be 1 once more
    return index;
}

void write_tree(FormWriter& out, const FormNode& node, const std::string& key) {
    if (node.is_text()) {
        out.add(key, node.text);
        return;
    }
    for (std::size_t i = 0; i < node.children.size(); ++i) {
        const FormNode& child = node.children[i];
        const std::string segment = node.is_list() ? std::to_string(i) : child.name;
        write_tree(out, child, key.empty() ? segment : fmt::format("{}[{}]", key, segment));
    }
}

void append_encoded(std::string& out, std::string_view text, std::string_view also_plain) {
    static constexpr char digits[] = "0123456789ABCDEF";
    for (const char c : text) {
        const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                                c == '~';
        if (unreserved || also_plain.contains(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}

} // namespace

const FormNode* FormNode::find(std::string_view child) const {
    if (!is_map()) return nullptr;
    const auto found = std::ranges::find(children, child, &FormNode::name);
    return found == children.end() ? nullptr : &*found;
}

const std::string* FormNode::find_text(std::string_view child) const {
    const FormNode* node = find(child);
    return node != nullptr && node->is_text() ? &node->text : nullptr;
}

const FormNode* FormNode::at(std::initializer_list<std::string_view> path) const {
    const FormNode* node = this;
    for (std::string_view step : path) {
        node = node->find(step);
        if (node == nullptr) return nullptr;
    }
    return node;
}

bool FormNode::is_array() const {
    if (is_list()) return true;
    return is_map() && !children.empty() && std::ranges::all_of(children, [](const FormNode& c) {
               return as_index(c.name).has_value();
           });
}

std::vector<const FormNode*> FormNode::elements() const {
    if (!is_array()) return {};
    std::vector<const FormNode*> members;
    members.reserve(children.size());
    for (const FormNode& child : children) members.push_back(&child);
    if (is_map()) {
        std::ranges::sort(members, {},
                          [](const FormNode* member) { return as_index(member->name); });
    }
    return members;
}

Result<FormNode> parse_form(std::string_view encoded, const FormLimits& limits) {
    if (encoded.size() > limits.bytes_max) {
        return over_limit(fmt::format("Parameters take at most {} bytes.", limits.bytes_max));
    }
    FormNode root;
    for (std::size_t pairs = 0; !encoded.empty();) {
        const std::string_view pair = encoded.substr(0, encoded.find('&'));
        encoded.remove_prefix(std::min(pair.size() + 1, encoded.size()));
        if (pair.empty()) continue;
        if (++pairs > limits.pairs_max) {
            return over_limit(fmt::format("There may be at most {} parameters.", limits.pairs_max));
        }
        TRY_VOID(insert_pair(root, pair, limits));
    }
    return root;
}

std::string encode_form(const FormNode& root) {
    FormWriter out;
    write_tree(out, root, {});
    return out.str();
}

FormWriter& FormWriter::add(std::string_view key, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    append_encoded(text_, key, "[]");
    text_ += '=';
    append_encoded(text_, value, {});
    return *this;
}

FormWriter& FormWriter::add(std::string_view key, std::int64_t value) {
    return add(key, std::to_string(value));
}

std::string percent_encode(std::string_view text) {
    std::string out;
    append_encoded(out, text, {});
    return out;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    out.reserve(text.size());
    std::size_t plain_from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool space = text[i] == '+' && plus_is_space;
        if (text[i] != '%' && !space) continue;
        out += text.substr(plain_from, i - plain_from);
        if (space) {
            out += ' ';
        } else {
            if (text.size() - i < 3) return std::nullopt;
            const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high << 4 | low);
            i += 2;
        }
        plain_from = i + 1;
    }
    out += text.substr(plain_from);
    return out;
}

} // namespace holdfast
