import { useId, useRef, useState } from "preact/hooks";
import type { RecipientView } from "../client/web/types.ts";
import { Icon, Trust } from "./parts.tsx";
import { recipients } from "./store.ts";
import { T } from "./texts.ts";

/** Most people that are offered at a time. */
const MOST = 8;

/**
 * A field for names: what is typed becomes a name with Enter, Tab or a comma; the members of the group and
 * the person's own groups are offered, by their names and full names. The pattern is the editable combobox with a list of the ARIA Authoring Practices.
 */
export function Recipients({ label, names, onChange, autofocus = false }: {
  label: string;
  names: readonly string[];
  onChange: (names: string[]) => void;
  autofocus?: boolean;
}) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const [open, setOpen] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const word = typed.trim().toLowerCase();
  const rank = ({ name, fullName }: RecipientView) => {
    if (name.startsWith(word)) return 0;
    const words = fullName.toLowerCase();
    return words.startsWith(word) || words.includes(` ${word}`) ? 1 : name.includes(word) ? 2 : 3;
  };
  const offered = word === "" ? [] : recipients.value
    .filter((one) => rank(one) < 3 && !names.includes(one.name))
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MOST);
  const shown = open && offered.length > 0;
  const add = (text: string) => {
    const more = text.split(/[,;\s]+/).map((name) => name.trim()).filter((name) => name !== "");
    setTyped("");
    setOpen(false);
    setChosen(0);
    if (more.length > 0) onChange([...new Set([...names, ...more])]);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp": {
        if (offered.length === 0) return;
        event.preventDefault();
        setOpen(true);
        const by = event.key === "ArrowDown" ? 1 : -1;
        setChosen((chosen + by + offered.length) % offered.length);
        return;
      }
      case "Enter":
      case "Tab":
      case ",":
      case ";": {
        if (word === "" || event.ctrlKey || event.metaKey) return;
        if (event.key !== "Tab") event.preventDefault();
        const pick = shown ? offered[chosen]?.name : undefined;
        return add(pick ?? typed);
      }
      case "Escape":
        if (!shown) return;
        event.stopPropagation();
        return setOpen(false);
      case "Backspace":
        if (typed === "") onChange(names.slice(0, -1));
    }
  };
  return (
    <div class="line recipients">
      <label for={id}>{label}</label>
      <div class="names" onClick={() => input.current?.focus()}>
        {names.map((name) => (
          <span key={name} class="token">
            <span dir="auto">{name}</span>
            <Trust trust={recipients.value.find((one) => one.name === name)?.trust ?? "unknown"} />
            <button
              type="button"
              aria-label={T.removeName(name)}
              onClick={() => onChange(names.filter((one) => one !== name))}
            >
              <Icon name="close" />
            </button>
          </span>
        ))}
        <input
          ref={input}
          id={id}
          role="combobox"
          aria-expanded={shown}
          aria-autocomplete="list"
          aria-controls={`${id}-list`}
          aria-activedescendant={shown ? `${id}-${chosen}` : undefined}
          autocomplete="off"
          spellcheck={false}
          title={T.recipients}
          autoFocus={autofocus}
          value={typed}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setChosen(0);
            setOpen(true);
          }}
          onKeyDown={onKeyDown}
          onBlur={() => add(typed)}
        />
        <ul id={`${id}-list`} role="listbox" aria-label={T.suggestions} hidden={!shown}>
          {offered.map(({ name, fullName, trust, words }, i) => (
            <li
              key={name}
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === chosen}
              // Before the field is left.
              onMouseDown={(event) => {
                event.preventDefault();
                add(name);
              }}
            >
              <span>
                {name} <Trust trust={trust} />
              </span>
              <span class="quiet" dir="auto">{fullName || words}</span>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
