import type { Text } from "./en";
import { spoken } from "./plural";
import { duration, size, type UnitNames } from "./units";

const say = spoken("fr");
const units: UnitNames = { ms: "ms", s: "s", min: "min", h: "h", d: "j", bytes: ["o", "Kio", "Mio", "Gio"] };

export const fr: Text = {
  say,
  units,
  duration: (ms) => duration(ms, units, say),
  size: (bytes) => size(bytes, units, say),
  app: {
    skip: "Aller au contenu",
    pages: { run: "Exécuter", jobs: "Tâches", cluster: "Grappe", keys: "Clés" },
    navigation: "Pages",
    language: "Langue de cette page",
    theme: { label: "Thème", auto: "Comme le système", light: "Clair", dark: "Sombre" },
    help: "Clavier",
    close: "Fermer",
    cancel: "Annuler",
    retry: "Réessayer",
    copy: "Copier",
    copied: "Copié",
    notCopied: "Le navigateur n’a pas permis la copie",
    notes: "Messages",
    stale: "Pas en direct : ce que vous voyez peut être ancien. La page cherche à joindre le serveur.",
    unreachable: "Le serveur ne répond pas.",
    loading: "Chargement",
    failed: "Cette page n’a pas pu être chargée.",
    signIn: "Se connecter",
    signInNeeded: "Ce serveur demande une clé d’API.",
  },
  problems: {
    unreachable: "Le serveur ne répond pas. Votre travail est gardé ici ; réessayez.",
    unauthorized: "Il faut une clé d’API : connectez-vous d’abord.",
  },
  outcomes: {
    ok: "Terminé",
    runtime_error: "Erreur d’exécution",
    compile_error: "Erreur de compilation",
    time_limit: "Limite de temps",
    memory_limit: "Limite de mémoire",
    output_limit: "Limite de sortie",
    process_limit: "Limite de processus",
    file_limit: "Limite de fichiers",
    cancelled: "Annulé",
    internal_error: "Erreur interne",
    accepted: "Accepté",
    wrong_answer: "Réponse fausse",
    checker_error: "Erreur du vérificateur",
    skipped: "Omis",
  },
  states: { queued: "En attente", running: "En cours", finished: "Terminé" },
  steps: {
    image: "Préparation de l’image",
    install: "Installation des paquets",
    compile: "Compilation",
    judge_compile: "Compilation du vérificateur",
    run: "Exécution",
    case: "Exécution des cas",
  },
  keyboard: {
    title: "Clavier",
    anywhere: "Partout",
    pages: "Aller à Exécuter, Tâches, Grappe, Clés",
    help: "Cette liste",
    close: "Fermer ce qui est ouvert",
  },
};
