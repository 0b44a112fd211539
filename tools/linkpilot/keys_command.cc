#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <filesystem>
#include <memory>

#include "base/runtime/curve_keys.h"
#include "tools/linkpilot/context.h"

namespace linkpilot::cli {
namespace {

struct KeyQuery {
  std::string path;
  bool signing = false;
};

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  for (const std::uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

void print_key(const Context& context, const KeyQuery& query, const std::string& public_key) {
  if (context.json) {
    print_json("key", {{"file", query.path},
                       {"type", query.signing ? "ed25519" : "curve25519"},
                       {"public_key", public_key}});
  } else {
    fmt::print("{}\n", public_key);
  }
}

int make_key(const Context& context, const KeyQuery& query) {
  if (std::filesystem::exists(query.path)) {
    return report_failure({ErrorCode::invalid_argument,
                           fmt::format("{} exists; a key is never overwritten: choose another file "
                                       "or move this one away",
                                       query.path)});
  }
  std::string public_key;
  Status saved;
  if (query.signing) {
    const SigningKey key = make_signing_key();
    public_key = to_hex(key.public_key);
    saved = save_signing_key(query.path, key);
  } else {
    const CurveKeyPair keys = make_curve_key_pair();
    public_key = keys.public_key;
    saved = save_curve_key_pair(query.path, keys);
  }
  if (!saved) return report_failure(saved.error());
  print_key(context, query, public_key);
  if (!context.json) {
    fmt::print(stderr, "secret key in {} (readable by you alone), public key in {}.pub\n",
               query.path, query.path);
    if (!query.signing) {
      fmt::print(stderr,
                 "to enrol a node: copy {}.pub to the collector as "
                 "ENROLLED_DIRECTORY/NODE.pub\n",
                 query.path);
    }
  }
  return kOk;
}

int show_key(const Context& context, KeyQuery query) {
  const Result<CurveKeyPair> curve = load_curve_key_pair(query.path);
  if (curve) {
    print_key(context, query, curve->public_key);
    return kOk;
  }
  const Result<std::string> public_only = load_curve_public_key(query.path);
  if (public_only) {
    print_key(context, query, *public_only);
    return kOk;
  }
  query.signing = true;
  const Result<SigningKey> signing = load_signing_key(query.path);
  if (signing) {
    print_key(context, query, to_hex(signing->public_key));
    return kOk;
  }
  const Result<SigningPublicKey> signer = load_signing_public_key(query.path);
  if (signer) {
    print_key(context, query, to_hex(*signer));
    return kOk;
  }
  return report_failure(curve.error());
}

}  // namespace

void add_keys(CLI::App& app, Context& context) {
  CLI::App* keys = app.add_subcommand("keys", "Key files: make one, show its public half")
                       ->require_subcommand(1);
  auto query = std::make_shared<KeyQuery>();

  CLI::App* make = keys->add_subcommand("new", "Make a key pair: FILE (secret, 0600) and FILE.pub");
  make->add_option("FILE", query->path)->required();
  make->add_flag("--signing", query->signing, "an Ed25519 key for route tables, not a CURVE key");
  on_run(make, context, [&context, query] { return make_key(context, *query); });

  CLI::App* show = keys->add_subcommand("show", "Print the public key of a key file");
  show->add_option("FILE", query->path)->required();
  on_run(show, context, [&context, query] { return show_key(context, *query); });
}

}  // namespace linkpilot::cli
