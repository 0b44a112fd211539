// Authentication by rejected connects, as Adobe's and Limelight's servers do it: the server
// rejects, says in the description which module it wants, the client connects again with a query on
// its app; rejected once more with a challenge, it connects with the response. Pure functions.
//
// Source of both formulas: FFmpeg, libavformat/rtmpproto.c, do_adobe_auth and do_llnw_auth, read as
// a description. The vectors of the tests were computed by another program (see the test).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace linkpilot::rtmp {

struct Credentials {
  std::string user;
  std::string password;
};

// adobe: base64(md5(base64(md5(user salt password)) opaque-or-challenge challenge2))
struct AdobeChallenge {
  std::string salt;
  std::string opaque;  // wins over challenge if it is there
  std::string challenge;
};
[[nodiscard]] std::string adobe_response(const Credentials& credentials,
                                         const AdobeChallenge& challenge,
                                         std::string_view client_challenge);

// llnw: the digest of RFC 2617 3.2.2 with realm "live", method "publish", qop "auth", nc 00000001,
// and the application as URI, "/_definst_" added if it has no instance.
[[nodiscard]] std::string llnw_response(const Credentials& credentials, std::string_view app,
                                        std::string_view nonce, std::string_view client_nonce);

// True if a rejection's description asks for either module.
[[nodiscard]] bool asks_for_authentication(std::string_view description);

struct AuthenticationAsked {
  std::string_view description;  // of the rejection
  const Credentials& credentials;
  std::string_view app;      // without the query of earlier rounds
  std::uint32_t random = 0;  // becomes the client's challenge
  int rounds_before = 0;     // connects already made with a query of ours
};

// The query to put on the app of the next connect, "authmod=...". An error if the server has
// refused for good, has asked twice, or no credentials are known.
[[nodiscard]] Result<std::string> next_authentication(const AuthenticationAsked& asked);

}  // namespace linkpilot::rtmp
