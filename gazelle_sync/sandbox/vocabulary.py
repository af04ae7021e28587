"""Names, notes, titles and products of the invented shop; first and last names are drawn separately."""

from __future__ import annotations

FIRST_NAMES = (
    "Amélie", "Zoé", "Félix", "Éloïse", "Noémie", "Léa", "Théo", "Maïka", "Loïc", "Gaëlle", "Cédric", "Océane",
    "Benoît", "Hélène", "Jérôme", "Mélodie", "André", "Solène", "Rémi", "Cécile", "Étienne", "Maëva", "Frédéric",
    "Geneviève", "Hervé", "Joëlle", "Aurélie", "Stéphane", "Raphaël", "Anaïs", "Clément", "Béatrice",
)  # fmt: skip
LAST_NAMES = (
    "Beausoleil", "Clairefontaine", "Dubosquet", "Lavallière", "Montbrillant", "Rochebelle", "Vertefeuille",
    "Grandmaître", "Belhumeur", "Sansregret", "Tournesol", "Larivière-Doré", "Passepoil", "Bonenfance", "Chantelune",
    "Grisebois", "Hautecœur", "Jolivent", "Malenfance", "Petitclair-Roy", "Quatresous", "Ravissart", "Sainte-Brume",
    "Tranchemontagne", "Vadeboncoin", "Ysembour", "L'Heureux-Ménard", "D'Entremer",
)  # fmt: skip
CITIES = (
    ("Montréal", "H2X"), ("Laval", "H7N"), ("Longueuil", "J4K"), ("Brossard", "J4Z"), ("Saint-Jérôme", "J7Z"),
    ("Terrebonne", "J6W"), ("Repentigny", "J5Y"), ("Châteauguay", "J6J"), ("L'Île-Perrot", "J7V"),
    ("Boucherville", "J4B"), ("Saint-Eustache", "J7P"), ("Vaudreuil-Dorion", "J7V"),
)  # fmt: skip
STREETS = (
    "rue des Érables", "avenue du Parc-Imaginaire", "boulevard Sans-Nom", "chemin de la Côte-Douce",
    "rue du Clavecin",
)  # fmt: skip
INSTITUTIONS = (
    "Conservatoire Imaginaire de Musique",
    "École de musique des Trois-Marteaux",
    "Théâtre du Feutre Bleu",
    "Collège Sainte-Résonance",
    "Centre culturel L'Octave",
    "Paroisse Notre-Dame-des-Étouffoirs",
    "Salle Pierre-Sourdine",
)
MAKES = (
    ("Yamaha", ("U1", "U3", "C3", "C7X", "GB1K")),
    ("Steinway & Sons", ("B", "D", "M", "O")),
    ("Heintzman", ("Louis XV", "Upright", "D")),
    ("Kawai", ("K-300", "GX-2", "RX-3")),
    ("Bösendorfer", ("170VC", "200", "Imperial")),
    ("Lesage", ("Studio", "Console")),
    ("Willis & Cie", ("", "Upright")),
    ("Pratte", ("Concert",)),
)
ROOMS = ("Salon", "Local 204", "Grande salle", "Studio B", "Scène", "Loge 3", "Sous-sol", "Foyer", "")
PIANO_TAGS = ("GRAND", "DROIT", "TOP", "NORMAL", "PROBLEMATIQUE", "A_REMPLACER", "PRIORITÉ", "Concert")
CLIENT_TAGS = ("Institution", "VIP", "Accord régulier", "À rappeler", "Facturé au mois", "Déménagé")
NOTES = (
    "Accord complet, 440 Hz. Piano stable.",
    "Housse retirée. 21C, 39%.",
    "Housse enlevée à l'arrivée, replacée après l'accord.",
    "PLS débranché. Réservoir vide, à remplir.",
    "Système rebranché, réservoir rempli. 22°, 44%, 441Hz",
    "Prise débranchée derrière le piano — rebranché.",
    "Humidité trop basse, fenêtre ouverte. 18°, 24%",
    "Température normale, tout va bien. 21°, 45%, 440Hz",
    "Remplacement de deux cordes (ré 5 et fa♯ 6). Touches égalisées.",
    "Cover missing, tank empty. Plugged back in.",
    "Le client signale un bourdonnement dans les basses. À vérifier au prochain rendez-vous.",
    "Réglage de la mécanique, pédale forte ajustée. Client très content 🎹🙂",
    "ملاحظة: تم ضبط البيانو — accord fait.",
    "Marteaux à poncer d'ici un an.",
    "Accord léger avant le concert de 20 h.",
    "Rien à signaler.",
)
TITLES = (
    "Accord", "Accord et réglage", "Accord avant concert", "Réparation", "Évaluation", "Entretien annuel",
    "Place des Songes",
)  # fmt: skip
PRODUCT_GROUPS = ("Accords", "Réglages", "Réparations", "Pièces", "Humidité", "Déplacement")
PRODUCTS = (
    ("Accord de piano droit", "Upright tuning"),
    ("Accord de piano à queue", "Grand tuning"),
    ("Réglage de la mécanique", "Action regulation"),
    ("Remplacement de corde", "String replacement"),
    ("Ponçage des marteaux", "Hammer filing"),
    ("Entretien du système d'humidité", "Humidity system service"),
    ("Housse sur mesure", "Fitted cover"),
    ("Frais de déplacement", "Travel"),
    ("Évaluation", "Appraisal"),
    ("Nettoyage complet", "Full cleaning"),
)
SUMMARIES = {
    "APPOINTMENT": "Rendez-vous",
    "APPOINTMENT_LOG": "Rendez-vous modifié",
    "SERVICE_ENTRY_MANUAL": "Service",
    "SERVICE_ENTRY_AUTOMATED": "Service (automatique)",
    "USER_COMMENT": "Commentaire",
    "CONTACT_EMAIL_AUTOMATED": "Rappel envoyé par courriel",
    "CONTACT_EMAIL_MANUAL": "Courriel envoyé",
    "CONTACT_SMS_AUTOMATED": "Rappel envoyé par texto",
    "CONTACT_PHONE_MANUAL_TALKED": "Appel téléphonique",
    "INVOICE": "Facture",
    "INVOICE_LOG": "Facture envoyée",
    "INVOICE_PAYMENT": "Paiement reçu",
    "ESTIMATE": "Soumission",
    "PIANO_MEASUREMENT": "Mesures du piano",
    "SYSTEM_MESSAGE": "Message du système",
    "SCHEDULED_MESSAGE_EMAIL": "Courriel planifié",
}
TIMELINE_TYPES = (
    ("APPOINTMENT", 24), ("APPOINTMENT_LOG", 12), ("SERVICE_ENTRY_MANUAL", 18), ("SERVICE_ENTRY_AUTOMATED", 4),
    ("USER_COMMENT", 8), ("CONTACT_EMAIL_AUTOMATED", 12), ("CONTACT_EMAIL_MANUAL", 2), ("CONTACT_SMS_AUTOMATED", 6),
    ("CONTACT_PHONE_MANUAL_TALKED", 2), ("INVOICE", 4), ("INVOICE_LOG", 3), ("INVOICE_PAYMENT", 2), ("ESTIMATE", 1),
    ("PIANO_MEASUREMENT", 1), ("SYSTEM_MESSAGE", 1),
)  # fmt: skip
