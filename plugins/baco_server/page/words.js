/** The words of a text, as BACo's metrics count them. */

const WORD = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]\p{M}*|(?:(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}])[\p{L}\p{M}\p{N}])+/gu;

/** Return runs of letters, marks and digits in lower case; in scripts without spaces each character is a word. */
export function words(text) {
  return (text.match(WORD) ?? []).map((word) => word.toLowerCase());
}
