// The editor of Run. It stands in a shadow root: there its style sheets are adopted, not written into
// the document, which the page's policy would refuse.
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { HighlightStyle, bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic as Mark } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { Diagnostic } from "./diagnostics";

/** What the editor says in the language of the page: its own words, translated. */
export type Phrases = Record<string, string>;

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier, tags.processingInstruction], color: "var(--syntax-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp, tags.character], color: "var(--syntax-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--syntax-number)" },
  { tag: [tags.comment, tags.meta], color: "var(--syntax-comment)", fontStyle: "italic" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName), tags.macroName], color: "var(--syntax-name)" },
  { tag: [tags.typeName, tags.className, tags.namespace, tags.standard(tags.variableName)], color: "var(--syntax-type)" },
  { tag: tags.heading, fontWeight: "bold" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "var(--size-code)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--accent)", padding: "0.5rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--selection)",
  },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--muted)", border: "0" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 0.5rem 0 0.75rem", minWidth: "2.25rem" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--accent) 5%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--accent-soft)", outline: "1px solid var(--accent)" },
  ".cm-selectionMatch": { backgroundColor: "var(--accent-soft)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-soft)", outline: "1px solid var(--warn)" },
  ".cm-gutter-lint": { width: "0.9rem" },
  ".cm-lint-marker": { display: "block", width: "8px", height: "8px", margin: "6px 3px", borderRadius: "50%", content: "none" },
  ".cm-lint-marker-error": { backgroundColor: "var(--bad)" },
  ".cm-lint-marker-warning": { backgroundColor: "var(--warn)", borderRadius: "2px" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px" },
  ".cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--warn)", textUnderlineOffset: "3px" },
  ".cm-tooltip, .cm-panels": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-tooltip": { borderRadius: "var(--radius)", boxShadow: "var(--shadow)", maxWidth: "36rem", fontSize: "var(--size-s)" },
  ".cm-diagnostic": { padding: "0.4rem 0.7rem", fontFamily: "var(--mono)" },
  ".cm-diagnostic-error": { borderLeft: "3px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "3px solid var(--warn)" },
  ".cm-panels": { fontFamily: "var(--font)" },
  ".cm-panels-bottom": { borderTop: "1px solid var(--line)" },
  ".cm-textfield, .cm-button": {
    backgroundColor: "var(--surface)",
    backgroundImage: "none",
    color: "var(--text)",
    border: "1px solid var(--control-line)",
    borderRadius: "4px",
  },
  ".cm-specialChar": { color: "var(--bad)" },
});

export interface EditorHost {
  onText(text: string): void;
  /** Ctrl-Enter. */
  onRun(): void;
}

/** One editor, which shows one file at a time and keeps the history of each. */
export class Editor {
  readonly #view: EditorView;
  readonly #mode = new Compartment();
  readonly #words = new Compartment();
  readonly #states = new Map<string, EditorState>();
  #path = "";
  #ignore = false;
  #grammar: Extension = [];

  constructor(
    root: ShadowRoot,
    private readonly host: EditorHost,
    private phrases: Phrases,
  ) {
    const parent = document.createElement("div");
    parent.className = "editor";
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(":host { display: block; height: 100%; } .editor { height: 100%; }");
    root.adoptedStyleSheets.push(sheet);
    root.append(parent);
    this.#view = new EditorView({ parent, root, state: this.#fresh("") });
  }

  /** Shows a file. Its history and selection are as they were left, unless its text was changed elsewhere. */
  show(path: string, text: string): void {
    if (path === this.#path && text === this.#view.state.doc.toString()) return;
    if (path !== this.#path) this.#states.set(this.#path, this.#view.state);
    const kept = path === this.#path ? undefined : this.#states.get(path);
    this.#path = path;
    this.#ignore = true;
    this.#view.setState(kept?.doc.toString() === text ? kept : this.#fresh(text));
    this.setPhrases(this.phrases);
    this.#ignore = false;
  }

  /** Forgets a file that was removed or renamed. */
  forget(path: string): void {
    this.#states.delete(path);
    if (path === this.#path) this.#path = "";
  }

  setMode(mode: Extension): void {
    this.#grammar = mode;
    this.#view.dispatch({ effects: this.#mode.reconfigure(mode) });
  }

  setPhrases(phrases: Phrases): void {
    this.phrases = phrases;
    this.#view.dispatch({ effects: this.#words.reconfigure(spoken(phrases)) });
  }

  setMarks(found: readonly Diagnostic[]): void {
    const { doc } = this.#view.state;
    const marks = found.flatMap(({ line, column, severity, message }): Mark[] => {
      if (line > doc.lines) return [];
      const { from, to } = doc.line(line);
      const start = Math.min(from + Math.max(0, column - 1), to);
      const word = this.#view.state.wordAt(start);
      return [{ from: column === 0 ? from : start, to: column === 0 ? to : Math.max(word?.to ?? start, start), severity, message }];
    });
    this.#view.dispatch(setDiagnostics(this.#view.state, marks));
  }

  /** Puts the cursor at a place, from 1, and shows it. */
  goTo(line: number, column: number): void {
    const { doc } = this.#view.state;
    const { from, to } = doc.line(Math.max(1, Math.min(line, doc.lines)));
    const at = Math.min(from + Math.max(0, column - 1), to);
    this.#view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
    this.#view.focus();
  }

  focus(): void {
    this.#view.focus();
  }

  destroy(): void {
    this.#view.destroy();
  }

  #fresh(text: string): EditorState {
    const run = { key: "Mod-Enter", run: () => (this.host.onRun(), true) };
    return EditorState.create({
      doc: text,
      extensions: [
        keymap.of([run, ...closeBracketsKeymap, ...searchKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap, indentWithTab]),
        lintGutter(),
        lineNumbers(),
        highlightActiveLineGutter(),
        highlightSpecialChars(),
        history(),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("    "),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        search(),
        syntaxHighlighting(colours),
        look,
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !this.#ignore) this.host.onText(update.state.doc.toString());
        }),
        this.#mode.of(this.#grammar),
        this.#words.of(spoken(this.phrases)),
      ],
    });
  }
}

function spoken(phrases: Phrases): Extension {
  return [EditorState.phrases.of(phrases), EditorView.contentAttributes.of({ "aria-label": phrases["label"] ?? "" })];
}
