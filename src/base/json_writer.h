#pragma once

// JsonWriter: writes JSON straight into a string, for answers on the hot path, where building a
// DOM first would cost more than everything around it.
//
//   JsonWriter w;
//   w.begin_object();
//   w.field("id", "pi_1");
//   w.key("card"); w.begin_object(); w.field("last4", "4242"); w.end_object();
//   w.end_object();
//   std::string body = std::move(w).take();
//
// The caller nests begin/end properly (CHECKed at take()). Text is UTF-8 that was validated at the
// edge; control characters, quotes and backslashes are escaped, and </ too, so that a body can
// stand inside a page.

#include "base/result.h"

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Quoted and escaped.
inline void append_json_text(std::string& out, std::string_view text) {
    static constexpr char hex[] = "0123456789abcdef";
    out += '"';
    std::size_t clean_from = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\' && c != '/') continue;
        if (c == '/' && (i == 0 || text[i - 1] != '<')) continue;
        out.append(text, clean_from, i - clean_from);
        clean_from = i + 1;
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '/': out += "\\/"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                out += "\\u00";
                out += hex[c >> 4];
                out += hex[c & 15];
        }
    }
    out.append(text, clean_from);
    out += '"';
}

class JsonWriter {
  public:
    explicit JsonWriter(std::size_t reserve = 2048) { out_.reserve(reserve); }

    void begin_object() { open('{'); }
    void end_object() { close('}'); }
    void begin_array() { open('['); }
    void end_array() { close(']'); }

    void key(std::string_view name) {
        separate();
        append_json_text(out_, name);
        out_ += ':';
        fresh_ = true;
    }

    void value(std::nullptr_t) { raw("null"); }
    void value(bool b) { raw(b ? "true" : "false"); }
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    void value(T number) {
        char digits[24];
        auto [end, _] = std::to_chars(digits, digits + sizeof digits, number);
        raw({digits, static_cast<std::size_t>(end - digits)});
    }
    void value(std::string_view text) {
        separate();
        append_json_text(out_, text);
    }
    void value(const char* text) { value(std::string_view(text)); }
    void value(const std::string& text) { value(std::string_view(text)); }
    template <class T> void value(const std::optional<T>& maybe) {
        if (maybe)
            value(*maybe);
        else
            value(nullptr);
    }
    /// Text that is JSON already.
    void raw(std::string_view json) {
        separate();
        out_ += json;
    }

    template <class T> void field(std::string_view name, const T& v) {
        key(name);
        value(v);
    }
    void null(std::string_view name) { field(name, nullptr); }

    std::string take() && {
        CHECK(depth_ == 0);
        return std::move(out_);
    }

  private:
    void open(char bracket) {
        separate();
        out_ += bracket;
        fresh_ = true;
        ++depth_;
    }
    void close(char bracket) {
        out_ += bracket;
        fresh_ = false;
        --depth_;
    }
    void separate() {
        if (!fresh_) out_ += ',';
        fresh_ = false;
    }
    std::string out_;
    bool fresh_ = true;
    int depth_ = 0;
};

} // namespace holdfast
