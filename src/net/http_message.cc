#include "net/http_message.h"

#include "net/http_parser.h"

#include <algorithm>

namespace holdfast::net {

namespace {
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
bool is_control(char c) {
    auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
}
} // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

void HttpHeaders::add(std::string_view name, std::string_view value) {
    CHECK_MSG(is_http_token(name), "a header name must be a token");
    Span span{static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(name.size()),
              static_cast<std::uint32_t>(text_.size() + name.size()),
              static_cast<std::uint32_t>(value.size())};
    text_.append(name).append(value);
    std::replace_if(text_.begin() + span.value_at, text_.end(), is_control, ' ');
    spans_.push_back(span);
}

void HttpHeaders::set(std::string_view name, std::string_view value) {
    remove(name);
    add(name, value);
}

void HttpHeaders::remove(std::string_view name) {
    for (std::size_t i = spans_.size(); i-- > 0;) {
        if (equals_ignoring_case((*this)[i].name, name)) {
            spans_.erase(spans_.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
    for (std::size_t i = 0; i < spans_.size(); ++i) {
        HttpField field = (*this)[i];
        if (equals_ignoring_case(field.name, name)) return field.value;
    }
    return std::nullopt;
}

std::size_t HttpHeaders::count(std::string_view name) const {
    std::size_t n = 0;
    for (std::size_t i = 0; i < spans_.size(); ++i)
        n += equals_ignoring_case((*this)[i].name, name);
    return n;
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 303: return "See Other";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 402: return "Payment Required";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 411: return "Length Required";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 424: return "Failed Dependency";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Status";
    }
}

} // namespace holdfast::net
