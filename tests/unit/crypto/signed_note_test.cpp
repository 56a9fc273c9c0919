#include "crypto/signed_note.h"

#include <gtest/gtest.h>

#include "crypto/encoding.h"

namespace sluice::crypto {
namespace {

// The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note is.
constexpr std::string_view kPrivateLine =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr std::string_view kVerifierLine =
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view kOtherVerifierLine =
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
constexpr std::string_view kText =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr std::string_view kSignature =
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
constexpr std::string_view kOtherSignature =
    "— EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (std::string_view part : parts) all.append(part);
  return all;
}

std::vector<NoteVerifier> known(std::initializer_list<std::string_view> lines) {
  std::vector<NoteVerifier> keys;
  for (std::string_view line : lines) keys.push_back(std::move(*NoteVerifier::parse(line)));
  return keys;
}

TEST(NoteSigner, SignsTheExampleByteForByte) {
  const auto signer = NoteSigner::parse(kPrivateLine);
  ASSERT_TRUE(signer) << signer.error().message;
  EXPECT_EQ(signer->sign(kText), joined({kText, "\n", kSignature}));
  EXPECT_EQ(signer->private_line().reveal(), kPrivateLine);
  EXPECT_EQ(signer->verifier().line(), kVerifierLine);
  EXPECT_EQ(signer->verifier().key_id(), 0xc74f20a3);
  EXPECT_TRUE(NoteSigner::parse(joined({kPrivateLine, "\n"})));
}

TEST(NoteSigner, RefusesTextThatIsNoNote) {
  const auto signer = NoteSigner::parse(kPrivateLine);
  for (std::string_view text :
       {"", "no line end", "tab\there\n", "bad \xff\n", "bad \xc0\x80\n", "\xed\xa0\x80\n"})
    EXPECT_FALSE(signer->sign(text)) << text;
  EXPECT_TRUE(signer->sign("grüße \xf0\x9f\x8c\x8a\n"));
}

TEST(NoteSigner, GeneratedKeysAreReadBack) {
  const auto signer = NoteSigner::generate("edge-1.example.com/ledger");
  ASSERT_TRUE(signer);
  const auto again = NoteSigner::parse(signer->private_line().reveal());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->verifier().line(), signer->verifier().line());
  const auto note = again->sign("text\n");
  const auto keys = known({signer->verifier().line()});
  EXPECT_EQ(open_note(*note, keys), "text\n");
  for (std::string_view name : {"", "two words", "a+b", "no\xc2\xa0space", "line\n"})
    EXPECT_FALSE(NoteSigner::generate(name)) << name;
}

TEST(NoteSigner, ErrorsQuoteNothingOfTheKey) {
  std::string wrong_id(kPrivateLine);
  wrong_id.replace(wrong_id.find("c74f"), 4, "c74e");
  for (const std::string& line : {wrong_id, joined({kPrivateLine, "A"}), joined({kPrivateLine, "AAAA"}),
                                  std::string(kVerifierLine), std::string("PRIVATE+KEY+"), std::string()}) {
    const auto signer = NoteSigner::parse(line);
    ASSERT_FALSE(signer) << line;
    EXPECT_EQ(signer.error().message.find("AYEK"), std::string::npos);
  }
}

TEST(NoteVerifier, ReadsTheExampleAndNothingSpoiled) {
  const auto key = NoteVerifier::parse(kVerifierLine);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->name(), "PeterNeumann");
  EXPECT_EQ(key->line(), kVerifierLine);
  for (size_t at = 0; at < kVerifierLine.size(); ++at) {
    std::string spoiled(kVerifierLine);
    spoiled[at] = spoiled[at] == '0' ? '1' : '0';
    EXPECT_FALSE(NoteVerifier::parse(spoiled)) << spoiled;
    EXPECT_FALSE(NoteVerifier::parse(kVerifierLine.substr(0, at))) << at;
  }
}

TEST(OpenNote, GivesTheTextOfASignedNote) {
  const std::string note = joined({kText, "\n", kSignature, kOtherSignature});
  EXPECT_EQ(open_note(note, known({kVerifierLine})), kText);
  EXPECT_EQ(open_note(note, known({kOtherVerifierLine})), kText);
  EXPECT_EQ(open_note(note, known({kVerifierLine, kOtherVerifierLine})), kText);
  EXPECT_FALSE(open_note(joined({kText, "\n", kOtherSignature}), known({kVerifierLine})));
  EXPECT_FALSE(open_note(note, {}));
}

TEST(OpenNote, RefusesEveryFlippedByte) {
  const std::string note = joined({kText, "\n", kSignature});
  const auto keys = known({kVerifierLine});
  ASSERT_TRUE(open_note(note, keys));
  for (size_t at = 0; at < note.size(); ++at) {
    std::string spoiled = note;
    spoiled[at] = static_cast<char>(spoiled[at] ^ 1);
    EXPECT_FALSE(open_note(spoiled, keys)) << at;
    EXPECT_FALSE(open_note(std::string_view(note).substr(0, at), keys)) << at;
  }
}

TEST(OpenNote, RefusesMalformedSignatureLines) {
  const auto keys = known({kVerifierLine});
  for (std::string_view line : {"- Name AAAAAAAA\n", "— Name\n", "— Na+me AAAAAAAA\n", "— Name AAAA\n",
                                "— Name AAAAA===\n", "—Name AAAAAAAA\n", "— Name AAAAAAAA"})
    EXPECT_FALSE(open_note(joined({kText, "\n", kSignature, line}), keys)) << line;
  std::string crowd = joined({kText, "\n", kSignature});
  for (int i = 0; i < 99; ++i) crowd += "— Name AAAAAAAA\n";
  EXPECT_TRUE(open_note(crowd, keys));
  EXPECT_FALSE(open_note(crowd + "— Name AAAAAAAA\n", keys));
}

}  // namespace
}  // namespace sluice::crypto
