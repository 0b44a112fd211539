#include "prober/media/rtmp/authentication.h"

#include <fmt/format.h>

#include "prober/media/rtmp/digests.h"

namespace linkpilot::rtmp {
namespace {

constexpr std::string_view kNonceCount = "00000001";
constexpr int kRoundsMax = 2;  // one to learn the challenge, one to answer it

auto refused(std::string words) { return linkpilot::fail(ErrorCode::permission, std::move(words)); }

std::string_view parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t next = query.find_first_of("& ]");
    const std::string_view pair = query.substr(0, next);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return pair.substr(equals + 1);
    }
    if (next == std::string_view::npos || query[next] != '&') return {};
    query = query.substr(next + 1);
  }
  return {};
}

std::string adobe_query(const AuthenticationAsked& asked, std::string_view query) {
  const AdobeChallenge challenge{.salt = std::string(parameter(query, "salt")),
                                 .opaque = std::string(parameter(query, "opaque")),
                                 .challenge = std::string(parameter(query, "challenge"))};
  const std::string mine = fmt::format("{:08x}", asked.random);
  std::string text =
      fmt::format("authmod=adobe&user={}&challenge={}&response={}", asked.credentials.user, mine,
                  adobe_response(asked.credentials, challenge, mine));
  if (!challenge.opaque.empty()) text += "&opaque=" + challenge.opaque;
  return text;
}

std::string llnw_query(const AuthenticationAsked& asked, std::string_view query) {
  const std::string_view nonce = parameter(query, "nonce");
  const std::string mine = fmt::format("{:08x}", asked.random);
  return fmt::format("authmod=llnw&user={}&nonce={}&cnonce={}&nc={}&response={}",
                     asked.credentials.user, nonce, mine, kNonceCount,
                     llnw_response(asked.credentials, asked.app, nonce, mine));
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

std::string adobe_response(const Credentials& credentials, const AdobeChallenge& challenge,
                           std::string_view client_challenge) {
  const std::string inner =
      to_base64(md5(credentials.user + challenge.salt + credentials.password));
  const std::string& theirs = challenge.opaque.empty() ? challenge.challenge : challenge.opaque;
  return to_base64(md5(inner + theirs + std::string(client_challenge)));
}

std::string llnw_response(const Credentials& credentials, std::string_view app,
                          std::string_view nonce, std::string_view client_nonce) {
  const std::string who =
      to_hex(md5(fmt::format("{}:live:{}", credentials.user, credentials.password)));
  const std::string_view instance = contains(app, "/") ? "" : "/_definst_";
  const std::string what = to_hex(md5(fmt::format("publish:/{}{}", app, instance)));
  return to_hex(
      md5(fmt::format("{}:{}:{}:{}:auth:{}", who, nonce, kNonceCount, client_nonce, what)));
}

bool asks_for_authentication(std::string_view description) {
  return contains(description, "authmod=adobe") || contains(description, "authmod=llnw");
}

Result<std::string> next_authentication(const AuthenticationAsked& asked) {
  const bool adobe = contains(asked.description, "authmod=adobe");
  if (!adobe && !contains(asked.description, "authmod=llnw")) {
    return refused("the server asks for an authentication that is neither adobe nor llnw");
  }
  if (asked.credentials.user.empty() || asked.credentials.password.empty()) {
    return refused("the server wants a user and a password; put them into the URL");
  }
  if (contains(asked.description, "?reason=authfailed")) {
    return refused("the server refuses the password of this user");
  }
  if (contains(asked.description, "?reason=nosuchuser")) {
    return refused("the server does not know this user");
  }
  if (asked.rounds_before >= kRoundsMax) {
    return refused("the server asks for authentication again after it was given");
  }
  constexpr std::string_view need = "?reason=needauth";
  if (const std::size_t at = asked.description.find(need); at != std::string_view::npos) {
    const std::string_view query = asked.description.substr(at + 1);
    return adobe ? adobe_query(asked, query) : llnw_query(asked, query);
  }
  if (contains(asked.description, "code=403 need auth") && asked.rounds_before == 0) {
    return fmt::format("authmod={}&user={}", adobe ? "adobe" : "llnw", asked.credentials.user);
  }
  return refused("the server asks for authentication without saying how");
}

}  // namespace linkpilot::rtmp
