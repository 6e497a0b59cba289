#include "base/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace holdfast {

namespace {

bool valid_name(std::string_view name) {
    return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_';
           });
}

void append_escaped(std::string& out, std::string_view text, bool quotes_too) {
    for (const char c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' && quotes_too)
            out += "\\\"";
        else
            out += c;
    }
}

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    constexpr double exact_integers_below = 1e15;
    if (value == std::floor(value) && std::abs(value) < exact_integers_below) {
        return fmt::format("{}", static_cast<std::int64_t>(value));
    }
    return fmt::format("{}", value);
}

/// {a="1",le="0.5"}; `extra` comes last and may be empty.
std::string label_text(const Registry::Labels& labels, std::string_view extra = {}) {
    if (labels.empty() && extra.empty()) return {};
    std::string out = "{";
    for (const auto& [name, value] : labels) {
        if (out.size() > 1) out += ',';
        out.append(name).append("=\"");
        append_escaped(out, value, true);
        out += '"';
    }
    if (!extra.empty()) {
        if (out.size() > 1) out += ',';
        out += extra;
    }
    return out + "}";
}

} // namespace

// One of the members is set, by the type of the family; observed series have `read` only.
struct Registry::Series {
    Labels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;

    void render(std::string& out, const std::string& name) const;
};

struct Registry::Family {
    std::string help;
    Type type = Type::Counter;
    std::map<Labels, Series> series;
};

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {
    CHECK(!bounds_.empty() && std::ranges::is_sorted(bounds_, std::less_equal<>()));
}

void Histogram::observe(double value) {
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i <= bounds_.size(); ++i) total += in_bucket(i);
    return total;
}

double Histogram::quantile_bound(double share) const {
    const double wanted = share * static_cast<double>(count());
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
        seen += in_bucket(i);
        if (static_cast<double>(seen) >= wanted) return bounds_[i];
    }
    return INFINITY;
}

Registry::Registry() = default;
Registry::~Registry() = default;

Registry::Series& Registry::series(std::string_view name, std::string_view help, Type type,
                                   Labels labels) {
    CHECK_MSG(valid_name(name), name);
    CHECK_MSG(name.ends_with("_total") == (type == Type::Counter), name);
    for (const auto& [label, value] : labels) CHECK_MSG(valid_name(label), label);
    std::ranges::sort(labels);

    Family& family = families_[std::string(name)];
    if (family.series.empty()) {
        family.help = help;
        family.type = type;
    }
    CHECK_MSG(family.type == type && family.help == help, name);

    if (family.series.size() >= series_max && !family.series.contains(labels)) {
        BUG(fmt::format("metric {} has more than {} series", name, series_max));
        for (auto& [label, value] : labels) value = "overflow";
    }
    Series& found = family.series[labels];
    found.labels = std::move(labels);
    return found;
}

Counter& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& made = series(name, help, Type::Counter, std::move(labels)).counter;
    if (!made) made = std::make_unique<Counter>();
    return *made;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& made = series(name, help, Type::Gauge, std::move(labels)).gauge;
    if (!made) made = std::make_unique<Gauge>();
    return *made;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::span<const double> bounds, Labels labels) {
    const std::lock_guard lock(mutex_);
    auto& made = series(name, help, Type::Histogram, std::move(labels)).histogram;
    if (!made) made = std::make_unique<Histogram>(bounds);
    CHECK_MSG(std::ranges::equal(made->bounds(), bounds), name);
    return *made;
}

void Registry::observe_counter(std::string_view name, std::string_view help,
                               std::function<double()> read, Labels labels) {
    const std::lock_guard lock(mutex_);
    series(name, help, Type::Counter, std::move(labels)).read = std::move(read);
}

void Registry::observe_gauge(std::string_view name, std::string_view help,
                             std::function<double()> read, Labels labels) {
    const std::lock_guard lock(mutex_);
    series(name, help, Type::Gauge, std::move(labels)).read = std::move(read);
}

void Registry::Series::render(std::string& out, const std::string& name) const {
    const auto line = [&out](std::string_view metric, std::string_view with, std::string_view is) {
        out.append(metric).append(with).append(" ").append(is).append("\n");
    };
    if (!histogram) {
        std::string value;
        if (read)
            value = number(read());
        else if (counter)
            value = fmt::format("{}", counter->value());
        else
            value = fmt::format("{}", gauge->value());
        return line(name, label_text(labels), value);
    }
    std::uint64_t below = 0;
    const auto& bounds = histogram->bounds();
    for (std::size_t i = 0; i <= bounds.size(); ++i) {
        below += histogram->in_bucket(i);
        const std::string bound = i < bounds.size() ? number(bounds[i]) : "+Inf";
        line(name + "_bucket", label_text(labels, fmt::format("le=\"{}\"", bound)),
             fmt::format("{}", below));
    }
    line(name + "_sum", label_text(labels), number(histogram->sum()));
    line(name + "_count", label_text(labels), fmt::format("{}", below)); // as in +Inf, always
}

std::string Registry::render() const {
    static constexpr std::string_view type_names[] = {"counter", "gauge", "histogram"};
    const std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& [name, family] : families_) {
        out.append("# HELP ").append(name).append(" ");
        append_escaped(out, family.help, false);
        out.append("\n# TYPE ").append(name).append(" ");
        out.append(type_names[static_cast<std::size_t>(family.type)]).append("\n");
        for (const auto& [labels, one] : family.series) one.render(out, name);
    }
    return out;
}

std::vector<std::string> Registry::names() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [name, family] : families_) all.push_back(name);
    return all;
}

} // namespace holdfast
