#include "api/params.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

/// Reads the form as a handler would and returns the code and parameter it is refused with.
template <class Read> std::string problem_of(std::string_view form, Read read) {
    auto root = parse_form(form);
    if (!root) return root.error().code;
    Params params(*root);
    read(params);
    auto done = params.done();
    return done ? "" : done.error().code + " " + done.error().param;
}

TEST(Params, NamesTheFirstProblemOfEachKind) {
    struct Case {
        std::string_view form;
        std::string_view problem;
    };
    const Case cases[] = {
        {"amount=100&currency=usd", ""},
        {"amount=100", "parameter_missing currency"},
        {"amount=&currency=usd", "parameter_invalid_empty amount"},
        {"amount=ten&currency=usd", "parameter_invalid_integer amount"},
        {"amount=1.5&currency=usd", "parameter_invalid_integer amount"},
        {"amount=+5&currency=usd", "parameter_invalid_integer amount"},
        {"amount=0&currency=usd", "parameter_invalid_integer amount"},
        {"amount=-7&currency=usd", "parameter_invalid_integer amount"},
        {"amount=99999999999999999999&currency=usd", "parameter_invalid_integer amount"},
        {"amount=100&currency=zzz", "parameter_invalid currency"},
        {"amount=100&currency=usd&amout=1", "parameter_unknown amout"},
        {"amount[x]=1&currency=usd", "parameter_invalid_string amount"},
        {"amount=100&currency=usd&confirm=yes", "parameter_invalid_boolean confirm"},
        {"amount=100&currency=usd&metadata=x", "parameter_invalid metadata"},
        {"amount=100&currency=usd&metadata[a][b]=x", "parameter_invalid metadata[a]"},
        {"amount=100&currency=usd&shipping[name]=x", "parameter_missing shipping[address]"},
        {"amount=100&currency=usd&shipping[address][line1]=x", "parameter_missing shipping[name]"},
        {"amount=100&currency=usd&shipping[name]=x&shipping[address][planet]=mars",
         "parameter_unknown shipping[address][planet]"},
        {"amount=100&currency=usd&expand[]=", "parameter_invalid_array expand"},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(problem_of(c.form,
                             [](Params& p) {
                                 p.require("amount");
                                 p.require("currency");
                                 (void)p.integer("amount", 1);
                                 (void)p.currency("currency");
                                 (void)p.boolean("confirm");
                                 (void)p.metadata();
                                 (void)p.shipping_change();
                                 (void)p.texts("expand");
                             }),
                  c.problem)
            << c.form;
    }
}

TEST(Params, LengthsCountCharactersNotBytes) {
    const std::string umlauts = "name=%C3%A4%C3%A4%C3%A4"; // three characters, six bytes
    auto read = [](std::size_t max) { return [max](Params& p) { (void)p.text("name", max); }; };
    EXPECT_EQ(problem_of(umlauts, read(3)), "");
    EXPECT_EQ(problem_of(umlauts, read(2)), "parameter_invalid_string name");
}

TEST(Params, TheEmptyStringClearsWhereThatMeansSomething) {
    auto root = parse_form("email=&metadata=&shipping=&name=Ada");
    ASSERT_TRUE(root);
    Params params(*root);
    const core::TextChange email = params.text_change("email");
    EXPECT_TRUE(email.set);
    EXPECT_EQ(email.value, std::nullopt);
    EXPECT_TRUE(params.metadata_change().clear);
    const auto shipping = params.shipping_change();
    EXPECT_TRUE(shipping.set);
    EXPECT_FALSE(shipping.value);
    EXPECT_EQ(params.text_change("name").value, "Ada");
    EXPECT_FALSE(params.text_change("phone").set);
    EXPECT_TRUE(params.done());
}

TEST(Params, MetadataKeepsToItsLimits) {
    auto read = [](Params& p) { (void)p.metadata_change(); };
    EXPECT_EQ(problem_of("metadata[" + std::string(40, 'k') + "]=" + std::string(500, 'v'), read),
              "");
    EXPECT_EQ(problem_of("metadata[" + std::string(41, 'k') + "]=v", read),
              "parameter_invalid metadata[" + std::string(41, 'k') + "]");
    EXPECT_EQ(problem_of("metadata[k]=" + std::string(501, 'v'), read),
              "parameter_invalid metadata[k]");
    std::string many;
    for (int i = 0; i < 51; ++i) many += "metadata[k" + std::to_string(i) + "]=v&";
    EXPECT_EQ(problem_of(many, read), "parameter_invalid metadata");
    auto root = parse_form("metadata[a]=1&metadata[b]=");
    ASSERT_TRUE(root);
    Params params(*root);
    const core::MetadataChange change = params.metadata_change();
    EXPECT_EQ(change.set.at("a"), "1");
    EXPECT_EQ(change.set.at("b"), std::nullopt); // deletes the key
}

TEST(Params, ListsAreReadInEveryFormClientsSend) {
    for (std::string_view form :
         {"expand[]=customer&expand[]=latest_charge", "expand[0]=customer&expand[1]=latest_charge",
          "expand%5B0%5D=customer&expand%5B1%5D=latest_charge"}) {
        auto root = parse_form(form);
        ASSERT_TRUE(root);
        Params params(*root);
        EXPECT_EQ(params.texts("expand"), (std::vector<std::string>{"customer", "latest_charge"}));
        EXPECT_TRUE(params.done());
    }
}

TEST(Params, AnIdOfAnotherFormNamesNothing) {
    EXPECT_EQ(problem_of("customer=cus_x",
                         [](Params& p) { (void)p.id<core::Customer>("customer", "customer"); }),
              "resource_missing customer");
}

} // namespace
} // namespace holdfast::api
